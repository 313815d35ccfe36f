"""Small files in the layouts of the official datasets."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def example(seed: int, *, frames: int = 6, height: int = 20, width: int = 32, tracks: int = 4) -> dict[str, Any]:
    """An entry as in TAP-Vid-DAVIS: uint8 video, float32 points, bool occlusion; every track visible at frame 0."""
    rng = np.random.default_rng(seed)
    occluded = rng.random((tracks, frames)) < 0.3
    occluded[:, 0] = False
    return {
        "video": rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8),
        "points": rng.random((tracks, frames, 2), dtype=np.float32),
        "occluded": occluded,
    }


def jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def jpeg_example(seed: int, *, padded: bool = True, **shape: int) -> dict[str, Any]:
    """An entry as in TAP-Vid-Kinetics: JPEG frames (a padded bytes array, or objects) and float64 points."""
    raw = example(seed, **shape)
    frames = [jpeg(frame) for frame in raw["video"]]
    video = np.array(frames) if padded else np.array(frames, dtype=object)
    return {**raw, "video": video, "points": raw["points"].astype(np.float64)}


def save(content: object, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return path


def save_davis(root: Path, clips: dict[str, Any] | None = None) -> Path:
    content = {"bear": example(1), "camel": example(2, frames=4)} if clips is None else clips
    return save(content, root / "tapvid_davis" / "tapvid_davis.pkl")
