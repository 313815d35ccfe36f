"""A clip that moves by a known amount, and trackers with a small network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from vgmae_baselines.gmrw.checkpoint import Inference, save_model
from vgmae_baselines.gmrw.network import GMRW, NetworkConfig
from vgmae_baselines.gmrw.tracker import GMRWConfig, GMRWTracker

from vgmae_bench.types import Queries, Tracks

SMALL = NetworkConfig(feature_channels=16, layers=2, ffn_expansion=2, stem_channels=(8, 12, 16))


FRAMES, HEIGHT, WIDTH = 6, 40, 56


QUERIES = Queries(np.array([0, 3, 5, 3]), np.array([[10, 10], [50.5, 5], [30.2, 20.7], [3, 39]], dtype=np.float32))


def clip(frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """A random texture that moves by four pixels to the left in each frame."""
    texture = np.random.default_rng(0).integers(0, 256, (height, width + 4 * frames, 3), dtype=np.uint8)
    return np.stack([texture[:, 4 * t : 4 * t + width] for t in range(frames)])


def tracker(weights: Path | None = None, seed: int = 0, **settings: Any) -> GMRWTracker:
    return GMRWTracker(GMRWConfig(**settings), weights, "cpu", seed)


def saved(path: Path, inference: Inference = Inference(), seed: int = 0) -> Path:  # noqa: B008  # frozen
    torch.manual_seed(seed)
    save_model(path, GMRW(SMALL), inference, {})
    return path


def assert_same(one: Tracks, other: Tracks) -> None:
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_array_equal(one.visible, other.visible)
