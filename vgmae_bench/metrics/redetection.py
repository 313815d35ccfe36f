"""AJ_RD: the Jaccard of a track from the moment it reappears, as TAPNext++ measures re-detection.

It differs from TAP-Vid's Jaccard in two ways. A point is correct if its distance is <= the threshold, not <. Every
reappearance has the same weight, however long the point stays visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.metrics.scored_tracks import ScoredTracks
from vgmae_bench.metrics.thresholds import THRESHOLDS

MINIMAL_GAPS = (1, 4, 16, 64, 256)


@dataclass(frozen=True)
class Event:
    """One reappearance: the track, the frame in which it is visible again, and the length of the gap in frames."""

    track: int
    frame: int
    gap: int


def events_of(visible: npt.NDArray[np.bool_]) -> list[Event]:
    """Reappearances in `visible` [N, T], by track, then by time.

    A gap counts only if it is strictly longer than all earlier gaps of the same track that counted. A track that is
    hidden from frame 0 on starts with a gap.
    """
    found = []
    for track, flags in enumerate(visible):
        gap, longest = 0, 0
        for frame, seen in enumerate(flags):
            if seen and gap > longest:
                found.append(Event(track, frame, gap))
                longest = gap
            gap = 0 if seen else gap + 1
    return found


def event_jaccards(
    events: list[Event],
    target_visible: npt.NDArray[np.bool_],
    target_xy: npt.NDArray[Any],
    visible: npt.NDArray[np.bool_],
    xy: npt.NDArray[Any],
    thresholds: tuple[int, ...] = THRESHOLDS,
) -> npt.NDArray[np.float64]:
    """float64 [events, thresholds]: Jaccard of each event's track from the event to the clip's end. NaN for 0 / 0."""
    scores = np.full((len(events), len(thresholds)), np.nan)
    for row, event in enumerate(events):
        after = (event.track, slice(event.frame, None))
        truth, claim = target_visible[after], visible[after]
        distance = np.linalg.norm(xy[after] - target_xy[after], axis=-1)
        for column, k in enumerate(thresholds):
            near = distance <= k
            hits = np.count_nonzero(near & truth & claim)
            out_of = np.count_nonzero(truth) + np.count_nonzero(claim & ~(truth & near))
            if out_of:
                scores[row, column] = hits / out_of
    return scores


def redetection(
    events: list[Event], jaccards: npt.NDArray[np.float64], thresholds: tuple[int, ...] = THRESHOLDS
) -> dict[str, float]:
    """`AJ_RD`, `AJ_RD_dmin<m>` and `AJ_RD_D<k>_dmin<m>`: averages over events with a gap of at least m frames.

    A level m without events is NaN and does not enter the averages. Without any event, all values are NaN.
    """
    gaps = np.array([event.gap for event in events], dtype=int)
    result: dict[str, float] = {}
    levels = []
    for minimum in MINIMAL_GAPS:
        chosen = jaccards[gaps >= minimum]
        means = [_mean(chosen[:, column]) for column in range(len(thresholds))]
        result.update({f"AJ_RD_D{k}_dmin{minimum}": mean for k, mean in zip(thresholds, means, strict=True)})
        result[f"AJ_RD_dmin{minimum}"] = _mean(np.array(means))
        levels.append(result[f"AJ_RD_dmin{minimum}"])
    result["AJ_RD"] = _mean(np.array(levels))
    return result


def compute_re_detection(scored: ScoredTracks) -> dict[str, float]:
    """`re_detection_jaccard` of one query set: AJ_RD over the reappearances after the query frame.

    The first appearance of a point is not a reappearance. Frames up to the query therefore count as visible here.
    """
    truth = ~scored.target_occluded
    after = np.arange(truth.shape[1]) > scored.query_frame[:, None]
    events = events_of(truth | ~after)
    jaccards = event_jaccards(events, truth, scored.target_xy, ~scored.occluded, scored.xy, scored.thresholds)
    return {"re_detection_jaccard": redetection(events, jaccards, scored.thresholds)["AJ_RD"]}


def _mean(values: npt.NDArray[np.float64]) -> float:
    finite = values[~np.isnan(values)]
    return float(finite.mean()) if finite.size else float("nan")
