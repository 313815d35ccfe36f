"""The exact metric with the faults of other evaluators, to prove where published code departs from the reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from vgmae_bench.metrics.scored_tracks import evaluated_frames
from vgmae_bench.metrics.tapvid import tapvid_metrics as exact


def tapvid_metrics(
    query_frame: np.ndarray,
    target_occluded: np.ndarray,
    target_xy: np.ndarray,
    occluded: np.ndarray,
    xy: np.ndarray,
    mode: Any,
    *,
    bad_query_frame: str = "raise",
    first_mask: str = "after_query",
    oa_denominator: str = "video",
    **options: Any,
) -> dict[str, np.ndarray]:
    """`vgmae_bench.metrics.tapvid.tapvid_metrics`, and what others do.

    Arguments:
        bad_query_frame: "wrap" counts negative query frames from the end, as the reference does.
        first_mask: "legacy_gmrw" keeps the frames before the query in "first" mode.
        oa_denominator: "batch" divides by the frames of the whole batch.
    """
    mode = "strided" if first_mask == "legacy_gmrw" else mode
    num_frames = target_xy.shape[-2]
    query = np.round(query_frame)
    query = np.where(query < 0, query + num_frames, query) if bad_query_frame == "wrap" else query
    values = exact(query, target_occluded, target_xy, occluded, xy, mode, **options)
    if oa_denominator == "batch":
        evaluated = evaluated_frames(query, num_frames, mode)
        right = np.count_nonzero(np.equal(occluded, target_occluded) & evaluated, axis=(-2, -1))
        with np.errstate(divide="ignore", invalid="ignore"):
            values["occlusion_accuracy"] = right / np.count_nonzero(evaluated)
    return values
