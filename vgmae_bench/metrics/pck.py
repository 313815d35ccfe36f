"""Percentage of correct keypoints (PCK) as in BADJA (Biggs et al., ACCV 2018, arXiv:1811.05804).

A keypoint is correct if its error is at most 0.2 · √(area of the animal's mask), in pixels of the source video. The
clip provides this radius.
"""

from __future__ import annotations

import numpy as np

from vgmae_bench.metrics.scored_tracks import ScoredTracks


def compute_pck(scored: ScoredTracks) -> dict[str, float]:
    """`pck` of one query set: the share of visible keypoints that are predicted within the radius of their frame.

    Only frames with a known radius count. The query frame does not count. The predicted visibility does not matter. The
    result is NaN if no keypoint counts, and empty for clips without a radius, so that tables of other datasets have no
    such column.
    """
    if scored.radius is None:
        return {}
    counted = scored.evaluated & ~scored.target_occluded & np.isfinite(scored.radius).all(axis=-1)
    offset = (scored.xy - scored.target_xy) / scored.radius
    correct = counted & (np.square(offset).sum(axis=-1) <= 1)
    return {"pck": float(correct.sum() / counted.sum()) if counted.any() else float("nan")}
