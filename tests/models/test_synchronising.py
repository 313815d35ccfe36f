"""Tracking a clip waits for the device only for the predictions at the end.

The device is simulated: `tests.shared.pretend`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from vgmae_baselines.gmrw import checkpoint as gmrw_checkpoint
from vgmae_baselines.gmrw.network import GMRW
from vgmae_baselines.gmrw.tracker import GMRWConfig, GMRWTracker
from vgmae_baselines.trackmae import checkpoint as trackmae_checkpoint
from vgmae_baselines.trackmae.checkpoint import Trained
from vgmae_baselines.trackmae.network import Heads, TrackMAE
from vgmae_baselines.trackmae.targets.motion import CHANNELS
from vgmae_baselines.trackmae.tracker import TrackMAEConfig, TrackMAETracker

from tests.baselines.gmrw.pretraining.test_pretrain import TINY as GMRW_TINY
from tests.baselines.trackmae.sliding import NETWORK as TRACKMAE
from tests.shared.configured import configured
from tests.shared.pretend import DEVICE, pretended
from tests.videogmae.test_network import SMALL, small
from vgmae_bench.models.readout import ReadoutConfig
from vgmae_bench.training.recipe import untrained
from vgmae_bench.types import Queries, Tracker, Tracks
from vgmae_bench.videogmae import checkpoint as videogmae_checkpoint
from vgmae_bench.videogmae.gaussians.gaussians import Activation
from vgmae_bench.videogmae.readout import ReadoutTracker
from vgmae_bench.videogmae.tracker import VideoGMAEConfig, VideoGMAETracker

SIZE, FRAMES = 24, 6
STARTS = (0, 0, 2, 3)
WINDOWS = 4
"""Windows of 3 frames that track to the end from queries in these frames: from frames 0, 2, 3 and 4."""
SHORT = 3
"""Frames of the clip before, for which what is kept is made."""


def queries() -> Queries:
    xy = np.random.default_rng(0).uniform(2, SIZE - 2, (len(STARTS), 2)).astype(np.float32)
    return Queries(np.array(STARTS), xy)


def videogmae(**settings: Any) -> Callable[[str], Tracker]:
    config = configured(VideoGMAEConfig, **settings)
    return lambda device: VideoGMAETracker(config, videogmae_checkpoint.Model(small(), Activation()), device, 0)


def readout(device: str) -> Tracker:
    model = ReadoutTracker(SMALL, ReadoutConfig(heads=2)).eval()
    return VideoGMAETracker(VideoGMAEConfig(), videogmae_checkpoint.Model(model, Activation()), device, 0)


def trackmae(**settings: Any) -> Callable[[str], Tracker]:
    def make(device: str) -> Tracker:
        trained = Trained(mask_ratio=0.5)
        network = untrained(lambda: TrackMAE(TRACKMAE, Heads(0, CHANNELS[trained.motion_norm])), 0)
        model = trackmae_checkpoint.Model(network, trained, None)
        return TrackMAETracker(configured(TrackMAEConfig, **settings), model, device, 0)

    return make


def gmrw(**settings: Any) -> Callable[[str], Tracker]:
    def make(device: str) -> Tracker:
        network = untrained(lambda: GMRW(GMRW_TINY.network), 0)
        model = gmrw_checkpoint.Model(network, gmrw_checkpoint.Inference(), None)
        return GMRWTracker(configured(GMRWConfig, **settings), model, device, 0)

    return make


FEATURES: dict[str, Any] = {"readout": "features", "calibration_clips": 0}
TRACKERS: dict[str, Callable[[str], Tracker]] = {
    "videogmae": videogmae(),
    "videogmae: flow": videogmae(variant="flow"),
    "videogmae: features": videogmae(**FEATURES),
    "videogmae: both propagations": videogmae(**FEATURES, propagation="both"),
    "videogmae: readout": readout,
    "trackmae": trackmae(),
    "trackmae: features": trackmae(**FEATURES),
    "gmrw: attention": gmrw(readout="attention"),
    "gmrw: rows": gmrw(readout="rows"),
    "gmrw: direct": gmrw(tracking="direct"),
    "gmrw: official": gmrw(preset="official", method="weighted_argmax"),
}


def tracked(make: Callable[[str], Tracker]) -> tuple[Tracks, dict[str, int]]:
    """Returns the tracks and the waits. The first clip is not counted, because it may fill caches."""
    frames = np.random.default_rng(1).integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    with pretended() as device:
        tracker = make(DEVICE)
        tracker.track(frames[:SHORT], Queries(np.zeros(1, dtype=np.int64), queries().xy[:1]))
        device.waits.clear()
        return tracker.track(frames, queries()), dict(device.waits)


@pytest.mark.parametrize("name", TRACKERS)
def test_tracking_waits_for_its_answers_only(name: str) -> None:
    """Positions, and what is visible."""
    tracks, waits = tracked(TRACKERS[name])
    assert tracks.xy.shape == (len(STARTS), FRAMES, 2)
    assert all(what.startswith("to the host") for what in waits), waits
    assert sum(waits.values()) == 2, waits


def test_tiles_wait_once_a_window_to_know_which_have_points() -> None:
    _, waits = tracked(videogmae(tiles=2))
    assert len(waits) == 2, waits
    tiles, answers = sorted(waits, key=lambda what: "sweep" in what)
    assert "models/windows.py on_tiles" in tiles and "models/windows.py sweep" in answers
    assert (waits[tiles], waits[answers]) == (WINDOWS, 2)


@pytest.mark.parametrize("name", ["videogmae", "trackmae", "gmrw: rows"])
def test_the_simulated_device_gives_the_results_of_the_cpu(name: str) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    here, (there, _) = TRACKERS[name]("cpu").track(frames, queries()), tracked(TRACKERS[name])
    np.testing.assert_allclose(there.xy, here.xy, atol=1e-2, rtol=0)
    assert (there.visible == here.visible).mean() > 0.95


def test_every_wait_is_counted_and_named() -> None:
    with pretended() as device:
        values = torch.arange(4.0).to(DEVICE)
        device.waits.clear()
        float(values.sum())
        values[values > 1]
        values.nonzero()
        values.cpu()
        values[torch.tensor([1])]
        torch.tensor([1.0], device=DEVICE)
        torch.ones(1).pin_memory().to(DEVICE)
        torch.ones(1).pin_memory().to(DEVICE, non_blocking=True)
    assert device.waits == {
        "_local_scalar_dense: the test": 1,
        "index by a mask: the test": 1,
        "nonzero: the test": 1,
        "to the host: the test": 1,
        "index by numbers of the host: the test": 1,
        "from pageable memory: the test": 2,
    }
