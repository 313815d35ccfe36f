"""Watching tracking emerge: a few held-out synthetic clips, tracked every so often, beside points that never move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vgmae_bench.data.synth.dataset import Synth, SynthConfig
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.protocols import PROTOCOLS
from vgmae_bench.metrics.tapvid import compute_tapvid
from vgmae_bench.types import Queries, Tracker, Tracks

METRICS = ("delta_avg", "delta_avg_zero_motion")


class Watch:
    """δ_avg (TAP-Vid, query first) on the first clips of `synth`'s validation split, frames as they are evaluated on.

    Arguments:
        clips: how many.
    """

    def __init__(self, clips: int) -> None:
        dataset = Synth(SynthConfig(split="val", clips=clips))
        self._protocol = PROTOCOLS["tapvid-first"]
        self._asked = [
            asked for clip_id in dataset.ids for asked in protocols.query_sets(dataset.clip(clip_id), self._protocol)
        ]
        self._floor = self._delta(_StandStill())

    def __call__(self, tracker: Tracker) -> dict[str, float]:
        """`METRICS`, as fractions."""
        return dict(zip(METRICS, (self._delta(tracker), self._floor), strict=True))

    def _delta(self, tracker: Tracker) -> float:
        deltas = [
            compute_tapvid(protocols.scored_tracks(query_set, tracker.track(frames, query_set.queries), self._protocol))
            for frames, query_set in self._asked
        ]
        return float(np.mean([values["average_pts_within_thresh"] for values in deltas]))


class _StandStill:
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return Tracks(xy=xy, visible=np.ones(xy.shape[:2], dtype=np.bool_))
