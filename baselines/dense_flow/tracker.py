"""Dense optical flow of OpenCV, chained from frame to frame. It is not learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from vgmae_bench import Queries, Tracks

from ..chaining import Grey, Points, follow

LONGEST = 1 << 14
"""Points per call of `cv2.remap`, which refuses images with a side of 32,767 pixels or more."""


@dataclass(frozen=True)
class DISConfig:
    """Settings of DIS flow.

    Attributes:
        preset: a preset of OpenCV, from fast to accurate.
        max_error: largest forward-backward error in pixels; beyond it, a point is lost.
    """

    preset: Literal["ultrafast", "fast", "medium"] = "medium"
    max_error: float = 2.0


@dataclass(frozen=True)
class FarnebackConfig:
    """Settings of Farnebäck's flow.

    Attributes:
        levels: levels of the pyramid, each half as large as the one below.
        window: side of the averaging window, pixels.
        iterations: iterations per level.
        neighbourhood: side of the neighbourhood of a polynomial fit, in pixels: 5 or 7.
        max_error: largest forward-backward error in pixels; beyond it, a point is lost.
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
        c, start = self._config, np.zeros((*first.shape, 2), np.float32)
        sigma = {5: 1.1, 7: 1.5}[c.neighbourhood]  # values recommended by OpenCV's documentation
        sizes = c.levels, c.window, c.iterations, c.neighbourhood
        flow = cv2.calcOpticalFlowFarneback(first, second, start, 0.5, *sizes, sigma, 0)
        return carry(np.asarray(flow), xy)


def carry(flow: npt.NDArray[np.float32], xy: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Move positions [N, 2] by a flow map [H, W, 2], with bilinear sampling. Outside, the nearest pixel's flow counts.

    Returns:
        The new positions [N, 2], and bool [N]: always true, because dense flow is known everywhere.
    """
    parts = np.array_split(np.asarray(xy, dtype=np.float32), -(-len(xy) // LONGEST))
    steps = [
        np.asarray(cv2.remap(flow, part[:, :1], part[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))[:, 0]
        for part in parts
    ]
    return xy + np.concatenate(steps), np.ones(len(xy), dtype=np.bool_)
