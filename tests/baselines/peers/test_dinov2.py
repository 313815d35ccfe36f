"""DINOv2's adapter, on a stand-in whose features are the pixels of a patch."""

from __future__ import annotations

import numpy as np
import pytest
from vgmae_baselines.peers.dinov2 import DinoV2, DinoV2Config

from vgmae_bench.errors import UsageError
from vgmae_bench.types import Queries


def test_a_texture_that_moves_by_a_patch_a_frame_is_followed_both_ways() -> None:
    texture = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    frames = np.stack([np.roll(texture, 14 * t, axis=1) for t in range(4)])
    queries = Queries(np.array([0, 3]), np.array([[21.0, 35.0], [77.0, 49.0]]))
    tracker = DinoV2(DinoV2Config(image_size=112), None, "cpu", 0)
    tracks = tracker.track(frames, queries)
    since = np.arange(4) - queries.frame[:, None]
    np.testing.assert_allclose(tracks.xy[..., 0], queries.xy[:, :1] + 14 * since, atol=0.01)
    np.testing.assert_allclose(tracks.xy[..., 1], np.repeat(queries.xy[:, 1:], 4, axis=1), atol=0.01)
    assert tracks.visible.all()
    assert tracker.note == "random weights" and "facebookresearch/dinov2" in tracker.checkout


def test_sizes_must_be_multiples_of_14() -> None:
    with pytest.raises(UsageError, match="multiple of 14"):
        DinoV2Config(image_size=256)
    with pytest.raises(UsageError, match='context="query" needs two frames'):
        DinoV2(DinoV2Config(context="query"), None, "cpu", 0)
    with pytest.raises(UsageError, match="cannot be stitched 4 times"):
        DinoV2(DinoV2Config(image_size=28, stitch=4), None, "cpu", 0).track(
            np.zeros((2, 28, 28, 3), np.uint8), Queries(np.array([0]), np.array([[5.0, 5.0]]))
        )
