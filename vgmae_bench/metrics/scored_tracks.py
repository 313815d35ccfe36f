"""What every metric is computed from: the answers to one query set beside the truth, in the metric raster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vgmae_bench.metrics.thresholds import THRESHOLDS

QueryMode = Literal["first", "strided"]


def evaluated_frames(query_frame: npt.NDArray[Any], num_frames: int, mode: QueryMode) -> npt.NDArray[np.bool_]:
    """bool [..., M, T]: the frames scored for each query.

    "first": strictly after the query frame. "strided": all but the query frame. Fractional query frames are rounded half
    to even, as the reference does.

    Raises:
        ValueError: a query frame outside 0 … T-1. (The reference silently counts negative ones from the end.)
    """
    query = np.round(query_frame).astype(np.int32)[..., None]
    if query.size and (query.min() < 0 or query.max() >= num_frames):
        raise ValueError(f"query frames must lie in 0 … {num_frames - 1}, got {query.min()} … {query.max()}")
    frames = np.arange(num_frames)
    return frames > query if mode == "first" else frames != query


@dataclass(frozen=True, eq=False)
class ScoredTracks:
    """Predicted and true tracks of the queries of one query set.

    Attributes:
        query_frame: int64 [M].
        target_xy: float64 [M, T, 2], raster pixels of the metric raster (256×256 in TAP-Vid).
        target_occluded: bool [M, T].
        xy: float32 or float64 [M, T, 2], the prediction in the same raster.
        occluded: bool [M, T], predicted.
        query_mode: "first" scores frames after the query, "strided" all but the query frame.
        thresholds: in pixels of the metric raster.
        radius: float64 [T, 2], half axes (x, y) in the metric raster of what counts for PCK; None where there is none.
    """

    query_frame: npt.NDArray[np.int64]
    target_xy: npt.NDArray[np.float64]
    target_occluded: npt.NDArray[np.bool_]
    xy: npt.NDArray[np.floating[Any]]
    occluded: npt.NDArray[np.bool_]
    query_mode: QueryMode
    thresholds: tuple[int, ...] = THRESHOLDS
    radius: npt.NDArray[np.floating[Any]] | None = None

    def only(self, kept: npt.NDArray[np.bool_]) -> ScoredTracks:
        """Those of the frames where `kept` (bool [T]) is set, the frames of queries among them."""
        place = np.cumsum(kept) - 1
        return replace(
            self,
            query_frame=place[self.query_frame],
            target_xy=self.target_xy[:, kept],
            target_occluded=self.target_occluded[:, kept],
            xy=self.xy[:, kept],
            occluded=self.occluded[:, kept],
            radius=None if self.radius is None else self.radius[kept],
        )

    @property
    def evaluated(self) -> npt.NDArray[np.bool_]:
        """bool [M, T], the frames that count for each query."""
        return evaluated_frames(self.query_frame, self.target_xy.shape[1], self.query_mode)
