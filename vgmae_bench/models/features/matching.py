"""Matches points in maps of unit features: samples the feature of a point, and finds it in another map.

Positions are raster pixels (x, y) of the encoder's input. A map [h, w, C] has cells of `cell` pixels. Cell (i, j) has the
centre ((j + 1/2) cell, (i + 1/2) cell).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.devices import constant, placed


class SoftArgmax(NamedTuple):
    """Computes a position from scores: softmax over the cells around the best one.

    Attributes:
        beta: factor of the scores before the softmax.
        radius: distance in cells from the best cell; farther cells are ignored.
    """

    beta: float = 20.0
    radius: float = 1.5


def sample(maps: Tensor, xy: Tensor, cell: float) -> Tensor:
    """Unit features [P, C] of a map [h, w, C] at positions [P, 2], bilinear; border cells repeat outside."""
    size = constant((maps.shape[1], maps.shape[0]), xy) * cell
    at = (2 * xy / size - 1)[None, None]
    read = F.grid_sample(maps.permute(2, 0, 1)[None], at, padding_mode="border", align_corners=False)
    return F.normalize(read[0, :, 0].T, dim=-1)


def similarity(rows: Tensor, maps: Tensor) -> Tensor:
    """Cosine similarities [P, h, w] of unit features [P, C] with a map."""
    return torch.einsum("pc,hwc->phw", rows, maps)


def locate(scores: Tensor, cell: float, how: SoftArgmax, near: Tensor | None = None) -> Tensor:
    """Positions [P, 2] of the highest scores [P, h, w]; with `near` [P, 2], only cells around it are searched."""
    height, width = scores.shape[1:]
    allowed = scores if near is None else scores.where(splat(near, height, width, cell) > 0, -torch.inf)
    cells, weight = _around(scores, allowed.flatten(1).argmax(dim=1), how.radius)
    return local_mean(cells, (how.beta * weight).softmax(dim=1), cell)


def local_mean(cells: Tensor, shares: Tensor, cell: float) -> Tensor:
    """The mean position [P, 2] of cells [P, K, 2] (column, row), weighted by shares [P, K] that sum to 1."""
    return (shares[..., None] * (cells + 0.5)).sum(dim=1) * cell


def mass_centre(mass: Tensor, cell: float, radius: float) -> tuple[Tensor, Tensor]:
    """The centre [P, 2] of masses [P, h, w] >= 0 around the largest one, and bool [P]: there is any mass."""
    best = mass.flatten(1).argmax(dim=1)
    cells, weight = _around(mass, best, radius)
    weight = weight.clamp(min=0)  # cells outside the map have no mass
    total = weight.sum(dim=1, keepdim=True)
    return local_mean(cells, weight / total.clamp(min=torch.finfo(total.dtype).tiny), cell), total[:, 0] > 0


def splat(xy: Tensor, height: int, width: int, cell: float) -> Tensor:
    """Masses [P, height, width] on the four cells around xy [P, 2]. They sum to 1, and their centre is xy."""
    last = constant((width - 1, height - 1), xy)
    at = (xy / cell - 0.5).clamp(min=torch.zeros_like(last), max=last)
    across = (1 - (at[:, :1] - torch.arange(width, device=xy.device)).abs()).clamp(min=0)
    down = (1 - (at[:, 1:] - torch.arange(height, device=xy.device)).abs()).clamp(min=0)
    return down[:, :, None] * across[:, None, :]


def _around(scores: Tensor, best: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """The cells within a radius of the best ones [P]: int64 [P, K, 2] (column, row), and scores [P, K], -inf outside."""
    height, width = scores.shape[1:]
    offsets = placed(_disc, radius, device=scores.device)
    around = torch.stack([best % width, best // width], dim=1)[:, None] + offsets
    column, row = around.unbind(-1)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    cells = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return around, scores.flatten(1).gather(1, cells).where(inside, -torch.inf)


def _disc(radius: float) -> Tensor:
    """Int64 [K, 2]: the whole steps (column, row) of at most this length."""
    reach = torch.arange(-int(radius), int(radius) + 1)
    offsets = torch.cartesian_prod(reach, reach)
    return offsets[(offsets**2).sum(dim=1) <= radius**2]
