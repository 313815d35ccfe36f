"""The TAP-Vid metrics: average Jaccard (AJ), position accuracy (δ_avg) and occlusion accuracy (OA).

Defined in section 4 of "TAP-Vid: A Benchmark for Tracking Any Point in a Video" (arXiv 2211.03726); the details follow
`compute_tapvid_metrics` of google-deepmind/tapnet c2cbab8, whose numbers these are, bit for bit.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vgmae_bench.metrics.answers import Answers, QueryMode, evaluated_frames

THRESHOLDS = (1, 2, 4, 8, 16)


def tapvid_metrics(
    query_frame: npt.NDArray[Any],
    target_occluded: npt.NDArray[Any],
    target_xy: npt.NDArray[Any],
    occluded: npt.NDArray[Any],
    xy: npt.NDArray[Any],
    mode: QueryMode,
    *,
    thresholds: tuple[int, ...] = THRESHOLDS,
    trackwise: bool = False,
    bad_query_frame: Literal["raise", "wrap"] = "raise",
    first_mask: Literal["after_query", "legacy_gmrw"] = "after_query",
    oa_denominator: Literal["video", "batch"] = "video",
) -> dict[str, npt.NDArray[np.float64]]:
    """All TAP-Vid values of a batch of videos, or of their single tracks.

    Arguments:
        query_frame: [B, M], the frame of each query.
        target_occluded, occluded: [B, M, T], truth and prediction; threshold soft values first.
        target_xy, xy: [B, M, T, 2] in the 256×256 raster; distances are compared in their promoted dtype.
        mode: which frames count, see `evaluated_frames`.
        trackwise: pool over frames only; results are [B, M] instead of [B]. Their mean is not the video's value.
        first_mask: "legacy_gmrw" reproduces an evaluator whose "first" mode keeps the frames before the query.
        oa_denominator: "batch" reproduces evaluators that divide by the frames of the whole batch.

    Returns:
        `average_jaccard`, `average_pts_within_thresh`, `occlusion_accuracy`, and `jaccard_k` and `pts_within_k` for every
        threshold k, float64. NaN where nothing is there to count (0 / 0).
    """
    mask_mode = "strided" if first_mask == "legacy_gmrw" else mode
    evaluated = evaluated_frames(query_frame, target_xy.shape[-2], mask_mode, bad_query_frame=bad_query_frame)
    axes = (-1,) if trackwise else (-2, -1)

    def count(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return np.asarray(np.count_nonzero(flags, axis=axes))

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        offset = xy - target_xy
        squared = np.square(offset[..., 0]) + np.square(offset[..., 1])
        seen = ~target_occluded.astype(bool) & evaluated  # g ∧ E
        claimed = ~occluded.astype(bool) & evaluated  # p ∧ E
        num_seen, num_claimed = count(seen), count(claimed)
        num_evaluated = count(evaluated)
        occlusion_accuracy = count(np.equal(occluded, target_occluded) & evaluated) / (
            num_evaluated.sum() if oa_denominator == "batch" else num_evaluated
        )
        jaccard, pts_within = {}, {}
        for k in thresholds:
            near = squared < k * k  # strict; a NaN or infinite prediction is never near
            hit = near & seen
            true_positives = count(hit & claimed)
            # A claim is false where the point is hidden or far: all claims but the true positives.
            false_positives = num_claimed - true_positives
            jaccard[f"jaccard_{k}"] = true_positives / (num_seen + false_positives)
            pts_within[f"pts_within_{k}"] = count(hit) / num_seen
    return {
        "average_jaccard": _average(jaccard),
        "average_pts_within_thresh": _average(pts_within),
        "occlusion_accuracy": occlusion_accuracy,
        **jaccard,
        **pts_within,
    }


def _average(values: dict[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return np.asarray(np.mean(np.stack(list(values.values()), axis=-1), axis=-1))


def score(answers: Answers, *, trackwise: bool = False) -> dict[str, npt.NDArray[np.float64]]:
    """The TAP-Vid values of one question, each a 0-dimensional array; [M] with `trackwise`."""
    return tapvid_metrics(
        answers.query_frame,
        answers.target_occluded,
        answers.target_xy,
        answers.occluded,
        answers.xy,
        answers.query_mode,
        thresholds=answers.thresholds,
        trackwise=trackwise,
    )
