"""Small clips and datasets for tests of the harness."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from vgmae_bench.types import Clip


def moving_square(
    num_frames: int = 12, size: tuple[int, int] = (64, 64), seed: int = 0, num_points: int = 6
) -> dict[str, Any]:
    """An entry of a TAP-Vid-DAVIS pickle: textured noise shifted by one pixel a frame, with the tracks of that shift."""
    height, width = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 2, (width + num_frames) // 8 + 2, 3)).astype(np.uint8)
    texture = np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))
    texture = np.clip(texture.astype(int) + rng.integers(-20, 20, texture.shape), 0, 255).astype(np.uint8)
    video = np.stack([texture[:height, num_frames - t : num_frames - t + width] for t in range(num_frames)])
    start = rng.uniform([4, 4], [width - 4, height - 4], (num_points, 2))
    xy = start[:, None] + np.arange(num_frames)[:, None] * np.array([1.0, 0.0])
    occluded = (xy[..., 0] >= width) | (rng.random(xy.shape[:2]) < 0.1)
    occluded[:, 0] = False
    return {"video": video, "points": (xy / [width, height]).astype(np.float32), "occluded": occluded}


def write_davis(root: Path, clips: int = 3, **options: Any) -> Path:
    """A data root with a TAP-Vid-DAVIS pickle of a few small clips."""
    folder = root / "tapvid_davis"
    folder.mkdir(parents=True, exist_ok=True)
    content = {f"clip-{number}": moving_square(seed=number, **options) for number in range(clips)}
    (folder / "tapvid_davis.pkl").write_bytes(pickle.dumps(content))
    return root


def clip(**options: Any) -> Clip:
    entry = moving_square(**options)
    video = entry["video"]
    return Clip("clip", (video.shape[1], video.shape[2]), entry["points"], entry["occluded"], lambda: video)
