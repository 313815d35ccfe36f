"""Re-detection after the query, survival and median trajectory error."""

from __future__ import annotations

import numpy as np
import pytest

from vgmae_bench.metrics import redetection, survival
from vgmae_bench.metrics.scored_tracks import ScoredTracks


def scored_tracks(visible: list[int], error: list[float], query: int = 0) -> ScoredTracks:
    """One track with the given visibility, predicted visible throughout, off by `error` px in each frame."""
    length = len(visible)
    target = np.zeros((1, length, 2))
    xy = np.stack([np.array(error), np.zeros(length)], axis=-1)[None]
    hidden = ~np.array([visible], dtype=bool)
    return ScoredTracks(np.array([query]), target, hidden, xy, np.zeros((1, length), bool), "first")


def re_detection(visible: list[int], error: list[float], query: int = 0) -> float:
    return redetection.compute_re_detection(scored_tracks(visible, error, query))["re_detection_jaccard"]


def test_redetection_scores_from_the_reappearance() -> None:
    assert re_detection([1, 0, 0, 1, 1], [0, 50, 50, 0.5, 0.5]) == 1
    assert re_detection([1, 0, 0, 1, 1], [0, 0, 0, 50, 50]) == 0


def test_being_hidden_before_the_query_is_no_reappearance() -> None:
    assert np.isnan(re_detection([0, 0, 1, 1], [0, 0, 0, 0], query=2))


def test_survival_ends_at_the_first_visible_frame_beyond_16_px() -> None:
    got = survival.compute_survival(scored_tracks([1, 1, 1, 1, 1], [0, 1, 2, 17, 0]))
    assert got["survival"] == 2 / 4
    assert got["median_trajectory_error"] == pytest.approx(1.5)


def test_frames_where_the_target_is_hidden_do_not_end_a_track() -> None:
    got = survival.compute_survival(scored_tracks([1, 1, 0, 1], [0, 1, 99, 3]))
    assert got == {"survival": 1.0, "median_trajectory_error": 2.0}


def test_nothing_visible_after_the_query_has_no_value() -> None:
    assert all(np.isnan(value) for value in survival.compute_survival(scored_tracks([1, 0, 0], [0, 0, 0])).values())
