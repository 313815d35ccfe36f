"""Validation by tracking: a few held-out synthetic clips, in comparison with zero-motion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vgmae_bench.data.synth.dataset import Synth
from vgmae_bench.data.synth.scene import SynthConfig
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.protocols import PROTOCOLS
from vgmae_bench.metrics.tapvid import compute_tapvid
from vgmae_bench.types import Queries, Tracker, Tracks

METRICS = ("delta_avg", "delta_avg_zero_motion", "end_point_error", "correlation")
"""Validation metrics: position accuracy of the tracker and of zero-motion; end-point error of the motion from the query's frame
to the next, divided by that of zero-motion; correlation of this motion with the truth."""


class Watch:
    """Tracks the first clips of `synth`'s validation split (TAP-Vid, query first, frames as in evaluation).

    Arguments:
        clips: number of clips.
    """

    def __init__(self, clips: int) -> None:
        dataset = Synth(SynthConfig(split="val", clips=clips))
        self._protocol = PROTOCOLS["tapvid-first"]
        self._asked = [
            asked for clip_id in dataset.ids for asked in protocols.query_sets(dataset.clip(clip_id), self._protocol)
        ]
        self._floor = self._measure(_stand_still)[0]

    def __call__(self, tracker: Tracker) -> dict[str, float]:
        """`METRICS` as fractions. If motion is the same everywhere, its correlation is 0."""
        delta, error, correlation = self._measure(tracker.track)
        return dict(zip(METRICS, (delta, self._floor, error, correlation), strict=True))

    def _measure(self, track: Callable[[npt.NDArray[np.uint8], Queries], Tracks]) -> tuple[float, float, float]:
        """(δ_avg, relative end-point error, correlation)."""
        deltas, moved, true = [], [], []
        for frames, query_set in self._asked:
            tracks = protocols.scored_tracks(query_set, track(frames, query_set.queries), self._protocol)
            deltas.append(compute_tapvid(tracks)["average_pts_within_thresh"])
            row, first = np.arange(len(tracks.query_frame)), tracks.query_frame
            followed = first + 1 < tracks.xy.shape[1]
            row, first = row[followed], first[followed]
            seen = ~tracks.target_occluded[row, first] & ~tracks.target_occluded[row, first + 1]
            row, first = row[seen], first[seen]
            moved.append(tracks.xy[row, first + 1] - tracks.xy[row, first])
            true.append(tracks.target_xy[row, first + 1] - tracks.target_xy[row, first])
        said, wanted = np.concatenate(moved), np.concatenate(true)
        error = np.linalg.norm(said - wanted, axis=1).mean() / np.linalg.norm(wanted, axis=1).mean()
        correlation = np.corrcoef(said.ravel(), wanted.ravel())[0, 1] if said.std() > 0 else 0.0
        return float(np.mean(deltas)), float(error), float(correlation)


def _stand_still(frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
    xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
    return Tracks(xy=xy, visible=np.ones(xy.shape[:2], dtype=np.bool_))
