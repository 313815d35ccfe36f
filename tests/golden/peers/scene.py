"""The clip that evaluators and adapters are asked about: a texture that moves, with five points on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SIDE = 128
LENGTHS = {"cotracker3-online": 10}
"""Frames of the clip by golden, 6 for the others. CoTracker's online loop answers nothing on clips of at most half a window."""
POINTS = {"cotracker3-single-strided": 2}
"""Points of the clip by golden, 5 for the others. This peer is slow: it asks each query by itself and in both directions."""


@dataclass(frozen=True)
class Scene:
    """A clip.

    Attributes:
        frames: uint8 [T, H, W, 3].
        frame: int [N], the frame each point is queried in: its first visible one. Another sampling has another scene.
        tracks: float32 [N, T, 2], true positions in pixels, as the evaluator that is asked counts them.
        occluded: bool [N, T].
    """

    frames: np.ndarray[Any, Any]
    frame: np.ndarray[Any, Any]
    tracks: np.ndarray[Any, Any]
    occluded: np.ndarray[Any, Any]

    @property
    def queries(self) -> np.ndarray[Any, Any]:
        """float32 [N, 2], positions in the queries' frames."""
        return self.tracks[np.arange(len(self.frame)), self.frame.astype(int)]

    @property
    def tyx(self) -> np.ndarray[Any, Any]:
        """float32 [1, N, 3], frames and positions of the queries, as the evaluators take them."""
        return np.column_stack([self.frame, self.queries[:, ::-1]]).astype(np.float32)[None]


def scene(golden: str) -> Scene:
    length = LENGTHS.get(golden, 6)
    rng = np.random.default_rng(5)
    texture = np.kron(rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    frames = np.stack([np.roll(texture, (t, 2 * t), axis=(0, 1)) for t in range(length)])
    start = rng.uniform(20, 100, (5, 2))
    tracks = (start[:, None] + np.arange(length)[None, :, None] * [2, 1]).astype(np.float32)
    occluded = np.zeros((5, length), dtype=bool)
    occluded[1, 3], occluded[2, :2], occluded[4, :3] = True, True, True
    kept = slice(POINTS.get(golden))
    return Scene(frames, np.array([0, 0, 2, 0, 3])[kept], tracks[kept], occluded[kept])
