"""Percentage of correct keypoints (PCK) after BADJA (Biggs et al., ACCV 2018, arXiv:1811.05804).

A keypoint is correct within 0.2 · √(area of the animal's mask), in pixels of the source; the radius comes with the clip.
"""

from __future__ import annotations

import numpy as np

from vgmae_bench.metrics.scored_tracks import ScoredTracks


def compute_pck(scored: ScoredTracks) -> dict[str, float]:
    """`pck` of one query set: the share of visible keypoints that are predicted within their frame's radius.

    Nothing for clips without a radius, so that tables of other sets have no such column. Frames whose radius is not known
    do not count, nor does the query's; predicted visibility is not looked at. NaN where nothing is left to count.
    """
    if scored.radius is None:
        return {}
    counted = scored.evaluated & ~scored.target_occluded & np.isfinite(scored.radius).all(axis=-1)
    offset = (scored.xy - scored.target_xy) / scored.radius
    correct = counted & (np.square(offset).sum(axis=-1) <= 1)
    return {"pck": float(correct.sum() / counted.sum()) if counted.any() else float("nan")}
