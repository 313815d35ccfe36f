"""The TAP-Vid metrics: average Jaccard (AJ), position accuracy (δ_avg) and occlusion accuracy (OA).

Section 4 of "TAP-Vid: A Benchmark for Tracking Any Point in a Video" (arXiv:2211.03726) defines them. The details
follow `compute_tapvid_metrics` of google-deepmind/tapnet c2cbab8. The numbers are equal bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.metrics.scored_tracks import QueryMode, ScoredTracks, evaluated_frames
from vgmae_bench.metrics.thresholds import THRESHOLDS


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
) -> dict[str, npt.NDArray[np.float64]]:
    """All TAP-Vid values of a batch of videos, or of their single tracks.

    Arguments:
        query_frame: [B, M], the frame of each query.
        target_occluded, occluded: bool [B, M, T], true and predicted occlusion. Apply a threshold to soft values first.
        target_xy, xy: [B, M, T, 2] in the 256×256 raster. Distances have the wider dtype of the two.
        mode: which frames count, see `evaluated_frames`.
        trackwise: return values by track, [B, M] instead of [B]. Their mean is not the value of the video.

    Returns:
        `average_jaccard`, `average_pts_within_thresh`, `occlusion_accuracy`, and `jaccard_k` and `pts_within_k` for every
        threshold k, float64. NaN if nothing counts (0 / 0).
    """
    evaluated = evaluated_frames(query_frame, target_xy.shape[-2], mode)
    axes = (-1,) if trackwise else (-2, -1)

    def count(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return np.asarray(np.count_nonzero(flags, axis=axes))

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        offset = xy - target_xy
        squared = np.square(offset[..., 0]) + np.square(offset[..., 1])
        seen = ~target_occluded.astype(bool) & evaluated  # g ∧ E
        claimed = ~occluded.astype(bool) & evaluated  # p ∧ E
        num_seen, num_claimed = count(seen), count(claimed)
        occlusion_accuracy = count(np.equal(occluded, target_occluded) & evaluated) / count(evaluated)
        jaccard, pts_within = {}, {}
        for k in thresholds:
            near = squared < k * k  # strict; a NaN or infinite prediction is never near
            hit = near & seen
            true_positives = count(hit & claimed)
            # False positives: points called visible that are hidden or too far away.
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


def compute_tapvid(scored: ScoredTracks, *, trackwise: bool = False) -> dict[str, npt.NDArray[np.float64]]:
    """The TAP-Vid values of one query set, each a 0-dimensional array, or [M] with `trackwise`."""
    return tapvid_metrics(
        scored.query_frame,
        scored.target_occluded,
        scored.target_xy,
        scored.occluded,
        scored.xy,
        scored.query_mode,
        thresholds=scored.thresholds,
        trackwise=trackwise,
    )
