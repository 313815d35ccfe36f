"""TAPNext's adapter, on a stand-in that moves points by one pixel of the clip per frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from vgmae_baselines.peers.tapnext import TapNext, TapNextConfig, TapNextPP, TapNextPPConfig

from vgmae_bench.errors import WeightsError
from vgmae_bench.types import Queries

FRAMES = np.full((8, 32, 48, 3), 200, dtype=np.uint8)
QUERIES = Queries(np.array([0, 5]), np.array([[10.5, 7.25], [3.0, 4.0]]))


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (TapNext, TapNextConfig()),
        (TapNextPP, TapNextPPConfig()),
        (TapNextPP, TapNextPPConfig(resolution=512)),
    ],
)
def test_frames_of_any_size_are_tracked_one_by_one(make: Any, config: Any) -> None:
    tracker = make(config, None, "cpu", 0)
    tracks = tracker.track(FRAMES, QUERIES)
    since = np.arange(8) - QUERIES.frame[:, None]
    np.testing.assert_allclose(tracks.xy[..., 0], QUERIES.xy[:, :1] + since, atol=1e-4)
    np.testing.assert_allclose(tracks.xy[..., 1], np.repeat(QUERIES.xy[:, 1:], 8, axis=1), atol=1e-4)
    np.testing.assert_array_equal(tracks.visible, since >= 0)
    assert tracker.note == "random weights" and "google-deepmind/tapnet" in tracker.checkout


def test_the_authors_preset_passes_all_queries_at_once() -> None:
    assert TapNext(TapNextConfig(), None, "cpu", 0).ask == "single"
    assert TapNext(TapNextConfig(preset="published"), None, "cpu", 0).ask == "all"


def test_uninitialised_weights_of_the_network_are_drawn_randomly() -> None:
    drawn = [TapNext(TapNextConfig(), None, "cpu", seed).network.drawn for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_checkpoints_of_jax_and_of_lightning_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "tapnext_ckpt.npz", **{"backbone/drawn": np.full(3, 2.0, np.float32)})
    torch.save({"state_dict": {"tapnext.drawn": torch.full((3,), 2.0)}}, tmp_path / "tapnextpp_ckpt.pt")
    for file in ("tapnext_ckpt.npz", "tapnextpp_ckpt.pt"):
        tracker = TapNext(TapNextConfig(), tmp_path / file, "cpu", 0)
        assert torch.equal(tracker.network.drawn, torch.full((3,), 2.0)) and tracker.note == ""
    np.savez(tmp_path / "other.npz", other=np.ones(2))
    with pytest.raises(WeightsError, match=r"other\.npz does not fit the network"):
        TapNext(TapNextConfig(), tmp_path / "other.npz", "cpu", 0)
