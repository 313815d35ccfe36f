"""What every metric is computed from: the answers to one question beside the truth, in the metric raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

QueryMode = Literal["first", "strided"]


@dataclass(frozen=True, eq=False)
class Answers:
    """Predicted and true tracks of the queries of one question.

    Attributes:
        query_frame: int64 [M].
        target_xy: float64 [M, T, 2], raster pixels of the metric raster (256×256 in TAP-Vid).
        target_occluded: bool [M, T].
        xy: float32 or float64 [M, T, 2], the prediction in the same raster.
        occluded: bool [M, T], predicted.
        query_mode: "first" scores frames after the query, "strided" all but the query frame.
        thresholds: in pixels of the metric raster.
    """

    query_frame: npt.NDArray[np.int64]
    target_xy: npt.NDArray[np.float64]
    target_occluded: npt.NDArray[np.bool_]
    xy: npt.NDArray[np.floating[Any]]
    occluded: npt.NDArray[np.bool_]
    query_mode: QueryMode
    thresholds: tuple[int, ...] = (1, 2, 4, 8, 16)

    @property
    def evaluated(self) -> npt.NDArray[np.bool_]:
        """bool [M, T], the frames that count for each query."""
        from vgmae_bench.metrics.tapvid import evaluated_frames

        return evaluated_frames(self.query_frame, self.target_xy.shape[1], self.query_mode)
