"""What the TAP-Vid numbers mean, on cases small enough to count by hand (parity with the reference is in golden/)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.clips import moving_square
from vgmae_bench.metrics.scored_tracks import ScoredTracks, evaluated_frames
from vgmae_bench.metrics.tapvid import compute_tapvid, tapvid_metrics


def scored_tracks(xy: np.ndarray, occluded: np.ndarray, mode: str = "first") -> ScoredTracks:
    entry = moving_square()
    target = entry["points"] * np.array([256, 256])
    return ScoredTracks(np.zeros(len(target), int), target, entry["occluded"], target + xy, occluded, mode)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_a_perfect_prediction_scores_one_everywhere(mode: str) -> None:
    values = compute_tapvid(scored_tracks(np.zeros(2), moving_square()["occluded"], mode))
    assert len(values) == 13 and all(value == 1 for value in values.values())


def test_thresholds_are_strict_and_in_pixels() -> None:
    truth = moving_square()["occluded"]
    assert compute_tapvid(scored_tracks(np.array([0.5, 0.5]), truth))["average_pts_within_thresh"] == 1
    shifted = compute_tapvid(scored_tracks(np.array([1.01, 0.0]), truth))
    assert shifted["pts_within_1"] == 0
    assert all(shifted[f"pts_within_{k}"] == 1 for k in (2, 4, 8, 16))


def test_a_visible_point_predicted_far_away_counts_twice() -> None:
    far = tapvid_metrics(
        np.zeros((1, 1)), np.zeros((1, 1, 3)), np.zeros((1, 1, 3, 2)), np.zeros((1, 1, 3)),
        np.array([[[[0.0, 0], [0, 0], [100, 0]]]]), "first",
    )  # fmt: skip
    # Two frames count; one is hit. P = 2, FP = 1.
    assert far["jaccard_1"] == 1 / 3
    assert far["pts_within_1"] == 1 / 2


def test_first_scores_frames_after_the_query_and_strided_all_others() -> None:
    query = np.array([0.5, 1.5, 3.0])  # rounded half to even: 0, 2, 3
    assert evaluated_frames(query, 4, "first").tolist() == [
        [False, True, True, True],
        [False, False, False, True],
        [False, False, False, False],
    ]
    assert evaluated_frames(query, 4, "strided").sum(axis=1).tolist() == [3, 3, 3]


@pytest.mark.parametrize("frame", [-1, 4])
def test_a_query_outside_the_clip_is_refused(frame: int) -> None:
    with pytest.raises(ValueError, match=r"0 … 3"):
        evaluated_frames(np.array([frame]), 4, "first")


def test_a_nan_prediction_is_wrong_not_fatal() -> None:
    lost = compute_tapvid(scored_tracks(np.full(2, np.nan), moving_square()["occluded"]))
    assert lost["average_pts_within_thresh"] == 0
    assert lost["average_jaccard"] == 0
