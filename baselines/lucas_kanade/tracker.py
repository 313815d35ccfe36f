"""Pyramidal Lucas-Kanade flow chained from frame to frame, with a forward-backward check for occlusion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vgmae_bench import Queries, Tracks

from ..chaining import Grey, Points, follow


@dataclass(frozen=True)
class LucasKanadeConfig:
    """Settings of the tracker.

    Attributes:
        window: side of the matched window, pixels.
        levels: pyramid levels above the full resolution.
        max_error: largest forward-backward error in pixels; beyond it, a point is lost.
    """

    window: int = 21
    levels: int = 3
    max_error: float = 2.0


class LucasKanade:
    """Tracks each point by the flow of the window around it; see `vgmae_baselines.chaining.follow`."""

    def __init__(self, config: LucasKanadeConfig) -> None:
        self.config = config

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        return follow(frames, queries, self._flow, self.config.max_error)

    def _flow(self, first: Grey, second: Grey, xy: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
        """Positions in the second image, float32 [N, 2], of points in the first, and bool [N]: the point was found."""
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            first,
            second,
            np.ascontiguousarray(xy, dtype=np.float32),
            np.empty_like(xy, order="C"),
            winSize=(self.config.window, self.config.window),
            maxLevel=self.config.levels,
        )
        return np.asarray(moved, dtype=np.float32), status[:, 0].astype(bool)
