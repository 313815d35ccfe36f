"""Targets of walks: the cell of the returning crop with the same content as a cell of the outgoing crop.

Label warping, arXiv 2409.16288. Without it, the network finds its way back by positions alone. With independent crops in the
two directions, positions change, and only the content helps.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.devices import constant, placed

from ..readout import cell_positions

Labels = Literal["analytic", "official", "none"]


class Targets(NamedTuple):
    """The targets of walks.

    Attributes:
        cell: int64 [B, N], y * w + x of the target cell of the walk from each cell; arbitrary if `valid` is False.
        valid: bool [B, N], False if the target is outside the returning crop.
    """

    cell: Tensor
    valid: Tensor


def analytic(matrix: Tensor, height: int, width: int) -> Targets:
    """The cell that contains the exact position.

    Arguments:
        matrix: float [B, 2, 3], maps a cell (x, y, 1) of the outgoing grid to its position in cells of the returning grid.
        height, width: size of both grids; N = height × width.
    """
    x, y = warp_cells(matrix, height, width).round().long().unbind(-1)
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return Targets(torch.where(valid, y * width + x, 0), valid)


def official(matrix: Tensor, height: int, width: int) -> Targets:
    """The targets of the official code (ayshrv/gmrw bf832bd): an image of the coordinates, resampled with black outside.

    Positions up to half a cell outside the grid count as inside, and their coordinates shrink towards 0. On average, 0.7 % of
    the valid cells get a label that is wrong by more than a cell. The arguments are those of `analytic`.
    """
    cells = placed(cell_positions, height, width, device=matrix.device).double()
    image = torch.cat([cells, torch.ones_like(cells[:, :1])], dim=1).T.view(1, 3, height, width).float()
    last = constant((width - 1, height - 1), cells)
    grid = (warp_cells(matrix, height, width) / last * 2 - 1).view(-1, height, width, 2).float()
    x, y, inside = F.grid_sample(image.expand(len(grid), -1, -1, -1), grid, align_corners=True).flatten(2).unbind(1)
    return Targets((y.round() * width + x.round()).long(), inside > 0.5)


def same_cell(batch: int, height: int, width: int, device: torch.device) -> Targets:
    """Targets without label warping, for equal crops in both directions: every walk should end in its first cell."""
    cell = torch.arange(height * width, device=device).expand(batch, -1)
    return Targets(cell, torch.ones_like(cell, dtype=torch.bool))


def warp_cells(matrix: Tensor, height: int, width: int) -> Tensor:
    """Positions (x, y) in the returning grid of the outgoing grid's cells, float64 [B, N, 2], see `analytic`."""
    cells = placed(cell_positions, height, width, device=matrix.device).double()
    return cells @ matrix[:, :, :2].double().mT + matrix[:, None, :, 2].double()
