"""Survival and median trajectory error, after PointOdyssey (the evaluation of aharley/pips2), on visible frames.

PointOdyssey knows the true position in every frame and scores hidden ones too; TAP-Vid annotations do not, so here only
frames with a visible target count, and only those after the query.
"""

from __future__ import annotations

import numpy as np

from vgmae_bench.metrics.scored_tracks import ScoredTracks

LOST_AT = 16.0
"""Pixels of the 256×256 raster beyond which a track is lost."""


def compute_survival(scored: ScoredTracks) -> dict[str, float]:
    """`survival` and `median_trajectory_error` (px) of one query set.

    Survival: the share of frames after the query, over all tracks, before the first visible frame on which the error
    exceeds 16 px. Error: the median over a track's visible frames, averaged over the tracks that have any. NaN where
    nothing is visible after a query.
    """
    num_frames = scored.target_xy.shape[1]
    after = np.arange(num_frames) > scored.query_frame[:, None]
    counted = after & ~scored.target_occluded
    error = np.linalg.norm(scored.xy - scored.target_xy, axis=-1)
    lost = np.logical_or.accumulate(counted & ~(error <= LOST_AT), axis=1)  # a NaN prediction is lost
    tracked = counted.any(axis=1)
    medians = [float(np.median(error[track, counted[track]])) for track in np.flatnonzero(tracked)]
    frames = after[tracked]
    return {
        "survival": float(np.count_nonzero(frames & ~lost[tracked]) / frames.sum()) if frames.any() else float("nan"),
        "median_trajectory_error": float(np.mean(medians)) if medians else float("nan"),
    }
