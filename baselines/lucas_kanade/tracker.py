"""Pyramidal Lucas-Kanade flow, chained from frame to frame, with a forward-backward check for occlusion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vgmae_bench import Queries, Tracks


@dataclass(frozen=True)
class LucasKanadeConfig:
    """Settings of the tracker.

    Attributes:
        window: side of the matched window, pixels.
        levels: pyramid levels above the full resolution.
        max_error: a point is lost once following it there and back misses it by more, pixels.
    """

    window: int = 21
    levels: int = 3
    max_error: float = 2.0


class LucasKanade:
    """Follows each point by the flow at its position.

    A point is lost for good when its forward-backward error grows: it stays hidden, and its position goes on by the flow
    found there. One that leaves the frame is hidden until it comes back.
    """

    def __init__(self, config: LucasKanadeConfig) -> None:
        self.config = config

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        height, width = grey[0].shape
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        visible = np.zeros(xy.shape[:2], dtype=bool)
        visible[np.arange(len(queries)), queries.frame] = True
        followed = np.ones(len(queries), dtype=bool)
        for t in range(len(frames) - 1):
            started = np.flatnonzero(queries.frame <= t)
            if not len(started):
                continue
            here = xy[started, t] - 0.5  # OpenCV puts pixel centres at integers
            there, found = self._flow(grey[t], grey[t + 1], here)
            back, found_back = self._flow(grey[t + 1], grey[t], there)
            error = np.linalg.norm(back - here, axis=1)
            there += 0.5
            inside = (there >= 0).all(axis=1) & (there < (width, height)).all(axis=1)
            xy[started, t + 1] = there
            followed[started] &= found & found_back & (error <= self.config.max_error)
            visible[started, t + 1] = followed[started] & inside
        return Tracks(xy, visible)

    def _flow(
        self, first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], xy: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Where points of the first image are in the second, float32 [N, 2], and whether they were found, bool [N]."""
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            first,
            second,
            np.ascontiguousarray(xy, dtype=np.float32),
            np.empty_like(xy, order="C"),
            winSize=(self.config.window, self.config.window),
            maxLevel=self.config.levels,
        )
        return np.asarray(moved, dtype=np.float32), status[:, 0].astype(bool)
