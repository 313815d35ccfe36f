"""`ScoredTracks`, the input of every metric: predicted and true tracks of one query set in the metric raster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vgmae_bench.metrics.thresholds import THRESHOLDS

QueryMode = Literal["first", "strided"]


def evaluated_frames(query_frame: npt.NDArray[Any], num_frames: int, mode: QueryMode) -> npt.NDArray[np.bool_]:
    """bool [..., M, T]: the frames that are scored for each query.

    "first" scores the frames after the query frame. "strided" scores all frames except the query frame. Fractional
    query frames are rounded half to even, as in the reference code.

    Raises:
        ValueError: a query frame lies outside 0 … T-1. (The reference code silently counts negative frames from the
            end.)
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
        target_xy: float64 [M, T, 2], true positions in pixels of the metric raster (256×256 in TAP-Vid).
        target_occluded: bool [M, T], true occlusion.
        xy: float32 or float64 [M, T, 2], predicted positions in the same raster.
        occluded: bool [M, T], predicted occlusion.
        query_mode: "first" scores frames after the query, "strided" all frames except the query frame.
        thresholds: distances in pixels of the metric raster.
        radius: float64 [T, 2], half axes (x, y) in the metric raster of the ellipse in which a keypoint counts as
            correct (PCK); None if the dataset has no such radius.
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
        """The same tracks with only the frames where `kept` (bool [T]) is true. The query frames must be among them."""
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
        """bool [M, T]: the frames that count for each query."""
        return evaluated_frames(self.query_frame, self.target_xy.shape[1], self.query_mode)
