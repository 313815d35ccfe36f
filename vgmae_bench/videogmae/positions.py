"""Positions of patches, queries and initial Gaussians: fixed sin-cos tables, and a grid of anchors.

Anchors are our addition. The paper's queries are free vectors, which must first learn their place. Its untrained Gaussians are
scattered over the scene. Most are out of view, where they get no gradient.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vgmae_bench.models.nn import sincos_1d, sincos_2d, sincos_3d, sincos_points
from vgmae_bench.videogmae.gaussians.gaussians import SCENE_DEPTH, SCENE_HALF_WIDTH
from vgmae_bench.videogmae.sizes import NetworkConfig

START_DEPTH = 4.0
"""Distance in world units from the camera to the plane of the initial Gaussians. The visible part is 8 units wide, so its
edges are in the range of 5 tanh(x), and a step of 0.5 is 1/16 of the image."""
START_OPACITY = 0.75
LARGEST_START = 0.9
"""Largest initial standard deviation, below the limit of 1."""


def space_table(config: NetworkConfig, width: int) -> Tensor:
    """Position table [1, 1 + grid², width] with a zero row for the class token, or [1, L, width] in "pos3d" mode."""
    if config.position == "pos3d":
        return _table(sincos_3d(config.num_frames, config.grid, width))
    return _table(np.concatenate([np.zeros((1, width)), sincos_2d(config.grid, width)]))


def time_table(config: NetworkConfig, width: int) -> Tensor:
    """Time table [1, T, width], to add to a space table. In "pos3d" mode, the first quarter of the width is the time."""
    if config.position == "pos3d":
        time = sincos_1d(np.arange(config.num_frames), width // 4)
        return _table(np.pad(time, [(0, 0), (0, width - width // 4)]))
    time = sincos_1d(np.arange(config.num_frames), width)
    time[0] = 0  # as in the official table, frame 0 has no temporal code
    return _table(time)


def anchor_table(config: NetworkConfig, width: int) -> Tensor:
    """[1, G, width]: the row of `space_table` for a patch centred on the anchor of each Gaussian."""
    columns, lines = (anchor_points(config.num_gaussians) * config.grid - 0.5).T
    used = width - width // 4 if config.position == "pos3d" else width
    return _table(np.pad(sincos_points(columns, lines, used), [(0, 0), (width - used, 0)]))


def places(time: Tensor, space: Tensor) -> Tensor:
    """Sums of the codes of T frames [1, T, D] and of S places [1, S, D], for all pairs: [1, T * S, D]."""
    return (time[:, :, None] + space[:, None]).flatten(1, 2)


def anchor_points(count: int) -> np.ndarray:
    """float64 [count, 2], (x, y) in units of the frame: cell centres of a regular grid, in raster order.

    If `count` is not a square, some rows have one more cell than others.
    """
    rows = round(math.sqrt(count))
    cells = [count // rows + (row < count % rows) for row in range(rows)]
    return np.array([((i + 0.5) / n, (row + 0.5) / rows) for row, n in enumerate(cells) for i in range(n)])


def anchor_cells(config: NetworkConfig) -> Tensor:
    """Int64 [G]: the patch that contains the anchor of each Gaussian, in raster order."""
    cells = (torch.from_numpy(anchor_points(config.num_gaussians)) * config.grid).long()
    return cells[:, 1] * config.grid + cells[:, 0]


def start_on_grid(count: int) -> Tensor:
    """Raw outputs float32 [count, 14] of grey, round Gaussians at their anchors; see `gaussians.activate`.

    Neighbours are two standard deviations apart, or more if there are few Gaussians. Scales assume a `scale_factor` of 1.
    """
    half = START_DEPTH  # half the width of the plane, because the view is 90°
    x, y = torch.from_numpy((anchor_points(count) * 2 - 1) * half).unbind(-1)
    means = torch.stack([x, y, torch.full_like(x, START_DEPTH - SCENE_DEPTH)], dim=-1)
    start = torch.zeros(count, 14, dtype=torch.float64)
    start[:, :3] = torch.atanh(means / SCENE_HALF_WIDTH)
    start[:, 3:6] = torch.logit(torch.tensor(min(half / math.sqrt(count), LARGEST_START)))
    start[:, 13] = torch.logit(torch.tensor(START_OPACITY))
    return start.float()


def _table(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))[None]
