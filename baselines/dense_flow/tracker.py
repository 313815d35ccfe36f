"""Dense optical flow of OpenCV, chained from frame to frame. Classical: nothing is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from vgmae_bench import Queries, Tracks

from ..chaining import Grey, Points, follow

LONGEST = 1 << 14
"""Points that `cv2.remap` gets at once: it refuses images with a side of 32,767 pixels or more."""


@dataclass(frozen=True)
class DISConfig:
    """Settings of DIS flow.

    Attributes:
        preset: OpenCV's, from fast to accurate.
        max_error: a point is lost once following it there and back misses it by more, pixels.
    """

    preset: Literal["ultrafast", "fast", "medium"] = "medium"
    max_error: float = 2.0


@dataclass(frozen=True)
class FarnebackConfig:
    """Settings of Farnebäck's flow.

    Attributes:
        levels: of the pyramid, each half as large as the one below.
        window: side of the averaging window, pixels.
        iterations: at each level.
        neighbourhood: side of the neighbourhood that a polynomial is fitted to, pixels: 5 or 7.
        max_error: a point is lost once following it there and back misses it by more, pixels.
    """

    levels: int = 5
    window: int = 15
    iterations: int = 5
    neighbourhood: Literal[5, 7] = 7
    max_error: float = 2.0


class DIS:
    """Dense Inverse Search (Kroeger et al., ECCV 2016), chained; see `vgmae_baselines.chaining.follow`."""

    def __init__(self, config: DISConfig) -> None:
        self._config = config
        preset: int = getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{config.preset.upper()}")
        self._dis = cv2.DISOpticalFlow.create(preset)

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        return follow(frames, queries, self._flow, self._config.max_error)

    def _flow(self, first: Grey, second: Grey, xy: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
        start = np.zeros((*first.shape, 2), np.float32)
        return carry(np.asarray(self._dis.calc(first, second, start)), xy)


class Farneback:
    """Polynomial expansion (Farnebäck, SCIA 2003), chained; see `vgmae_baselines.chaining.follow`."""

    def __init__(self, config: FarnebackConfig) -> None:
        self._config = config

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        return follow(frames, queries, self._flow, self._config.max_error)

    def _flow(self, first: Grey, second: Grey, xy: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
        c = self._config
        sigma = {5: 1.1, 7: 1.5}[c.neighbourhood]  # as OpenCV's documentation advises
        flow = cv2.calcOpticalFlowFarneback(
            first,
            second,
            np.zeros((*first.shape, 2), np.float32),
            0.5,
            c.levels,
            c.window,
            c.iterations,
            c.neighbourhood,
            sigma,
            0,
        )
        return carry(np.asarray(flow), xy)


def carry(flow: npt.NDArray[np.float32], xy: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Positions [N, 2] carried along by a flow map [H, W, 2], read bilinearly. Outside, the nearest pixel's flow is taken.

    Returns:
        The new positions, and true for each: dense flow is known everywhere.
    """
    parts = np.array_split(np.asarray(xy, dtype=np.float32), -(-len(xy) // LONGEST))
    steps = [
        np.asarray(cv2.remap(flow, part[:, :1], part[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))[:, 0]
        for part in parts
    ]
    return xy + np.concatenate(steps), np.ones(len(xy), dtype=np.bool_)
