"""AllTracker's adapter, on a stand-in whose flow is one pixel a frame to the right."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from vgmae_baselines.peers.alltracker import AllTracker, AllTrackerConfig
from vgmae_baselines.peers.flows import RaftConfig, RaftPrinceton

from vgmae_bench.types import Queries

FRAMES = np.full((9, 32, 48, 3), 200, dtype=np.uint8)
QUERIES = Queries(np.array([0, 5, 7, 8]), np.array([[10.5, 7.25], [3.0, 4.0], [20.0, 9.5], [1.0, 2.0]]))


def track(length: int = 9, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    tracker = AllTracker(AllTrackerConfig(**settings), None, "cpu", 0)
    frames = np.repeat(FRAMES[:1], length, axis=0)
    tracks = tracker.track(frames, QUERIES[QUERIES.frame < length])
    return tracks.xy, tracks.visible


@pytest.mark.parametrize("size", ["full", "tiny"])
def test_points_follow_the_flow_from_their_own_frame(size: str) -> None:
    xy, visible = track(size=size, iterations=5)
    since = np.maximum(np.arange(9) - QUERIES.frame[:, None], 0)
    np.testing.assert_allclose(xy[..., 0], QUERIES.xy[:, :1] + since, atol=1e-4)
    np.testing.assert_allclose(xy[..., 1], np.repeat(QUERIES.xy[:, 1:], 9, axis=1), atol=1e-4)
    np.testing.assert_array_equal(visible, np.arange(9) >= QUERIES.frame[:, None])


def test_points_with_low_visibility_times_confidence_are_hidden() -> None:
    _, visible = track(iterations=4)  # 0.8 times 0.7
    assert visible.sum() == 2  # the last two queries in their own frames, about which the network says nothing


def test_the_published_preset_counts_from_the_nearest_pixel() -> None:
    xy, _ = track(preset="published")
    pixel = np.array([512, 384]) / np.array([48, 32])
    np.testing.assert_allclose(xy[0, 0], np.round(QUERIES.xy[0] * pixel) / pixel, atol=1e-4)


def test_long_clips_use_the_authors_loop_for_long_clips() -> None:
    assert track(length=12, iterations=5)[1][0].all()
    assert not track(length=129, iterations=5)[1][0].any()  # the stand-in's other loop calls nothing visible


def test_raft_and_alltracker_both_have_a_package_utils_and_run_in_one_process() -> None:
    frames, query = np.stack([np.full((32, 48, 3), 100 + t, dtype=np.uint8) for t in range(3)]), QUERIES[:1]
    trackers = [
        AllTracker(AllTrackerConfig(), None, "cpu", 0),
        RaftPrinceton(RaftConfig(), None, "cpu", 0),
        AllTracker(AllTrackerConfig(), None, "cpu", 1),
    ]
    for tracker in (*trackers, *trackers):
        np.testing.assert_allclose(tracker.track(frames, query).xy[0, :, 0], query.xy[0, 0] + np.arange(3), atol=1e-4)
    assert not {"utils", "utils.misc", "utils.utils", "nets", "raft"} & set(sys.modules)
