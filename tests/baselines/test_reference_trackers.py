"""Trackers without weights on known motion."""

from __future__ import annotations

import numpy as np
import pytest
from vgmae_baselines.dense_flow.tracker import DIS, DISConfig, Farneback, FarnebackConfig, carry
from vgmae_baselines.lucas_kanade.tracker import LucasKanade, LucasKanadeConfig
from vgmae_baselines.zero_motion.tracker import ZeroMotion

from tests.clips import clip
from vgmae_bench.types import Queries, Tracker


def test_zero_motion_stays() -> None:
    queries = Queries(np.array([0, 3]), np.array([[1.5, 2.5], [7.0, 3.0]], dtype=np.float32))
    tracks = ZeroMotion().track(np.zeros((4, 16, 16, 3), np.uint8), queries)
    assert (tracks.xy == queries.xy[:, None]).all()
    assert tracks.visible.all()


def test_lucas_kanade_follows_a_shift_to_a_tenth_of_a_pixel() -> None:
    known = clip(size=(96, 96), num_points=20)
    target = known.tracks()
    tracks = LucasKanade(LucasKanadeConfig()).track(known.frames(), Queries(np.zeros(20, int), target[:, 0]))  # type: ignore[arg-type]
    inside = (target > 12).all(-1) & (target < 84).all(-1)
    error = np.linalg.norm(tracks.xy - target, axis=-1)
    assert np.median(error[inside]) < 0.1
    assert tracks.visible[inside].mean() > 0.9


def test_lucas_kanade_hides_points_that_leave_the_frame() -> None:
    known = clip(num_frames=20)
    start = np.array([[62.0, 30.0]], dtype=np.float32)  # two pixels from the right border, moving right
    tracks = LucasKanade(LucasKanadeConfig(window=9)).track(known.frames(), Queries(np.array([0]), start))
    assert tracks.visible[0, 0]
    assert not tracks.visible[0, 5:].any()


DENSE: list[Tracker] = [DIS(DISConfig()), Farneback(FarnebackConfig())]


@pytest.mark.parametrize("tracker", DENSE, ids=["dis", "farneback"])
def test_dense_flow_follows_a_shift_to_a_fifth_of_a_pixel(tracker: Tracker) -> None:
    known = clip(size=(96, 96), num_points=20)
    target = known.tracks()
    tracks = tracker.track(known.frames(), Queries(np.zeros(20, int), target[:, 0]))  # type: ignore[arg-type]
    inside = (target > 12).all(-1) & (target < 84).all(-1)
    error = np.linalg.norm(tracks.xy - target, axis=-1)
    assert np.median(error[inside]) < 0.2
    assert tracks.visible[inside].mean() > 0.9


@pytest.mark.parametrize("tracker", DENSE, ids=["dis", "farneback"])
def test_dense_flow_hides_points_outside_the_frame_and_starts_at_the_query(tracker: Tracker) -> None:
    known = clip(num_frames=20)
    start = np.array([[62.0, 30.0], [20.0, 30.0]], dtype=np.float32)  # the first is two pixels from the right border
    tracks = tracker.track(known.frames(), Queries(np.array([0, 4]), start))
    assert tracks.visible[0, 0] and not tracks.visible[0, 5:].any()
    np.testing.assert_array_equal(tracks.xy[1, :5], start[[1] * 5])
    assert not tracks.visible[1, :4].any() and tracks.visible[1, 4]


def test_flow_is_read_between_pixels_and_at_the_border() -> None:
    flow = np.zeros((4, 4, 2), dtype=np.float32)
    flow[1, 1], flow[1, 2], flow[:, 3] = (1, 0), (3, 2), (0, 5)
    moved, found = carry(flow, np.array([[1.5, 1.0], [9.0, 2.0]], dtype=np.float32))
    np.testing.assert_allclose(moved, [[3.5, 2.0], [9.0, 7.0]])
    assert found.all()


def test_flow_can_be_sampled_at_any_number_of_points() -> None:
    flow = np.full((4, 4, 2), 0.5, dtype=np.float32)
    xy = np.random.default_rng(0).uniform(0, 3, (40_000, 2)).astype(np.float32)
    moved, found = carry(flow, xy)
    np.testing.assert_allclose(moved, xy + 0.5, rtol=1e-6)
    assert len(found) == len(xy)
