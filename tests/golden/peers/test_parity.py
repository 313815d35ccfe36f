"""The adapters give what the peers' own evaluators gave: tracks, flags and all metrics. Each needs its checkout."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vgmae_baselines.peers import cotracker3, locotrack, tapir

from tests.golden.peers.evaluators import SEED
from tests.golden.peers.scene import scene
from vgmae_bench.checkouts import Checkout
from vgmae_bench.errors import PluginError
from vgmae_bench.metrics.scored_tracks import ScoredTracks
from vgmae_bench.metrics.tapvid import compute_tapvid
from vgmae_bench.types import Queries, Tracks

DATA = Path(__file__).parent / "data"
PEERS: dict[str, tuple[Any, Any, str, tuple[str, ...]]] = {
    "tapir": (tapir.tapir, tapir.TapirConfig(), tapir.SOURCE, ("einshape", "tree")),
    "bootstapir": (tapir.bootstapir, tapir.BootsTapirConfig(), tapir.SOURCE, ("einshape", "tree")),
    "locotrack": (locotrack.LocoTrack, locotrack.LocoTrackConfig(size="small"), locotrack.SOURCE, ("einops",)),
    "cotracker3-single": (
        cotracker3.offline,
        cotracker3.OfflineConfig(preset="published"),
        cotracker3.SOURCE,
        ("torchvision",),
    ),
    "cotracker3-joint": (
        cotracker3.offline,
        cotracker3.OfflineConfig(preset="published", single_point=False),
        cotracker3.SOURCE,
        ("torchvision",),
    ),
    "cotracker3-online": (
        cotracker3.online,
        cotracker3.OnlineConfig(preset="published"),
        cotracker3.SOURCE,
        ("torchvision",),
    ),
}


@pytest.mark.parametrize("name", PEERS)
def test_the_metrics_of_a_peers_evaluator_are_ours(name: str) -> None:
    """Needs no checkout: the tracks that the evaluator got, scored here."""
    golden = np.load(DATA / f"{name}.npz")
    ours = scored(name, Tracks(golden["tracks"], golden["visible"]))
    theirs = {key: float(golden[key]) for key in golden.files if key not in ("tracks", "visible")}
    assert len(theirs) == 13
    assert {key: ours[key] for key in theirs} == pytest.approx(theirs, abs=1e-7)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PEERS)
def test_an_adapter_gives_what_the_peers_evaluator_gave(name: str) -> None:
    make, config, source, requires = PEERS[name]
    missing = [module for module in requires if importlib.util.find_spec(module) is None]
    try:
        Checkout(source)
    except PluginError as error:
        pytest.skip(f"{name}: {error.what}; make peers says how")
    if missing:
        pytest.skip(f"{name}: {', '.join(missing)} not installed")
    golden, clip = np.load(DATA / f"{name}.npz"), scene(name)
    tracks = make(config, None, "cpu", SEED).track(clip.frames, Queries(clip.frame, clip.queries))
    np.testing.assert_allclose(tracks.xy, golden["tracks"], atol=2e-2)
    np.testing.assert_array_equal(tracks.visible, golden["visible"])


def scored(name: str, tracks: Tracks) -> dict[str, float]:
    clip = scene(name)
    given = ScoredTracks(
        query_frame=clip.frame,
        target_xy=clip.tracks,
        target_occluded=clip.occluded,
        xy=tracks.xy,
        occluded=~tracks.visible,
        query_mode="first",
    )
    return {metric: float(value) for metric, value in compute_tapvid(given).items()}
