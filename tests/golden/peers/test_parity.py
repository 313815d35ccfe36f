"""The adapters give what the peers' own evaluators gave: tracks, flags and all metrics. Each needs its checkout."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vgmae_baselines.peers import cotracker3, locotrack, tapir

from tests.golden.peers.evaluators import EVALUATORS, SEED
from tests.golden.peers.scene import scene
from vgmae_bench.checkouts import Checkout
from vgmae_bench.errors import PluginError
from vgmae_bench.evaluation.protocols.sampling import sample_first, sample_strided
from vgmae_bench.metrics.scored_tracks import ScoredTracks
from vgmae_bench.metrics.tapvid import compute_tapvid
from vgmae_bench.types import Queries, Tracks

DATA = Path(__file__).parent / "data"
PEERS: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "tapir": (tapir.Tapir, tapir.TapirConfig(), ("einshape", "tree")),
    "bootstapir": (tapir.BootsTapir, tapir.BootsTapirConfig(), ("einshape", "tree")),
    "locotrack": (locotrack.LocoTrack, locotrack.LocoTrackConfig(size="small"), ("einops",)),
    "cotracker3-single": (
        cotracker3.Offline,
        cotracker3.OfflineConfig(preset="published"),
        ("torchvision",),
    ),
    "cotracker3-joint": (
        cotracker3.Offline,
        cotracker3.OfflineConfig(preset="published", single_point=False),
        ("torchvision",),
    ),
    "cotracker3-online": (
        cotracker3.Online,
        cotracker3.OnlineConfig(preset="published"),
        ("torchvision",),
    ),
}


@pytest.mark.parametrize("name", EVALUATORS)
def test_the_metrics_of_a_peers_evaluator_are_ours(name: str) -> None:
    """Needs no checkout: the tracks that the evaluator got, scored here."""
    golden = np.load(DATA / f"{name}.npz")
    ours = scored(name, Tracks(golden["tracks"], golden["visible"]))
    theirs = {key: float(golden[key]) for key in golden.files if key not in ("queries", "tracks", "visible")}
    assert len(theirs) == 13
    assert {key: ours[key] for key in theirs} == pytest.approx(theirs, abs=1e-7)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EVALUATORS)
def test_an_adapter_gives_what_the_peers_evaluator_gave(name: str) -> None:
    make, config, requires = PEERS[name.removesuffix("-strided")]
    missing = [module for module in requires if importlib.util.find_spec(module) is None]
    try:
        Checkout(make.SOURCE)
    except PluginError as error:
        pytest.skip(f"{name}: {error.what}; make peers says how")
    if missing:
        pytest.skip(f"{name}: {', '.join(missing)} not installed")
    golden, (_, queries) = np.load(DATA / f"{name}.npz"), sampled(name)
    tracks = make(config, None, "cpu", SEED).track(scene(name).frames, queries)
    np.testing.assert_allclose(tracks.xy, golden["tracks"], atol=2e-2)
    np.testing.assert_array_equal(tracks.visible, golden["visible"])


@pytest.mark.parametrize("name", [name for name in EVALUATORS if name.endswith("-strided")])
def test_the_strided_queries_of_a_peers_sampler_are_ours(name: str) -> None:
    np.testing.assert_array_equal(sampled(name)[1].tyx(), np.load(DATA / f"{name}.npz")["queries"])


def sampled(name: str) -> tuple[np.ndarray, Queries]:
    """The rows of the tracks that are asked about, and the queries, by our sampler of the golden's query mode."""
    clip = scene(name)
    sample = (sample_strided if name.endswith("-strided") else sample_first)(clip.occluded, clip.tracks)
    return sample.track, Queries(sample.frame, sample.xy)


def scored(name: str, tracks: Tracks) -> dict[str, float]:
    clip, (rows, queries) = scene(name), sampled(name)
    given = ScoredTracks(
        query_frame=queries.frame,
        target_xy=clip.tracks[rows],
        target_occluded=clip.occluded[rows],
        xy=tracks.xy,
        occluded=~tracks.visible,
        query_mode="strided" if name.endswith("-strided") else "first",
    )
    return {metric: float(value) for metric, value in compute_tapvid(given).items()}
