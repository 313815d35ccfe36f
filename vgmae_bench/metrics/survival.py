"""Survival and median trajectory error as in PointOdyssey (evaluation code of aharley/pips2), on visible frames only.

PointOdyssey knows the true position in every frame and also scores hidden points. TAP-Vid annotations do not have these
positions. Here, only frames after the query with a visible target count.
"""

from __future__ import annotations

import numpy as np

from vgmae_bench.metrics.scored_tracks import ScoredTracks

LOST_AT = 16.0
"""Pixels of the 256×256 raster beyond which a track is lost."""


def compute_survival(scored: ScoredTracks) -> dict[str, float]:
    """`survival` and `median_trajectory_error` (px) of one query set.

    `survival` is the share of frames after the query, over all tracks, that come before the first visible frame with an
    error above 16 px. `median_trajectory_error` is the median error over a track's visible frames, averaged over the
    tracks that have any. Both are NaN if nothing is visible after a query.
    """
    num_frames = scored.target_xy.shape[1]
    after = np.arange(num_frames) > scored.query_frame[:, None]
    counted = after & ~scored.target_occluded
    error = np.linalg.norm(scored.xy - scored.target_xy, axis=-1)
    lost = np.logical_or.accumulate(counted & ~(error <= LOST_AT), axis=1)  # a NaN position counts as lost
    tracked = counted.any(axis=1)
    medians = [float(np.median(error[track, counted[track]])) for track in np.flatnonzero(tracked)]
    frames = after[tracked]
    return {
        "survival": float(np.count_nonzero(frames & ~lost[tracked]) / frames.sum()) if frames.any() else float("nan"),
        "median_trajectory_error": float(np.mean(medians)) if medians else float("nan"),
    }
