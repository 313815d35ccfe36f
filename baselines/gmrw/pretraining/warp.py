"""Where a walk should end: the cell of the returning crop that shows what a cell of the outgoing crop shows.

Label warping, arXiv 2409.16288. Without it the network finds its way back by positions alone; with the two directions
cropped independently, positions change and only what is seen can be followed.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..readout import cell_positions

Labels = Literal["analytic", "official", "none"]


class Targets(NamedTuple):
    """Where walks should end.

    Attributes:
        cell: int64 [B, N], y * w + x of the cell where the walk from each cell should end; any where `valid` is False.
        valid: bool [B, N], False where that place lies outside the returning crop.
    """

    cell: Tensor
    valid: Tensor


def analytic(matrix: Tensor, height: int, width: int) -> Targets:
    """The cell in which the exact position lies.

    Arguments:
        matrix: float [B, 2, 3], takes a cell (x, y, 1) of the outgoing grid to its position in cells of the returning one.
        height, width: of both grids; N = height × width.
    """
    x, y = warp_cells(matrix, height, width).round().long().unbind(-1)
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return Targets(torch.where(valid, y * width + x, 0), valid)


def official(matrix: Tensor, height: int, width: int) -> Targets:
    """What the official code (ayshrv/gmrw bf832bd) takes for it: an image of the coordinates, resampled as if black around.

    Positions up to half a cell outside the grid count as inside, with coordinates drawn towards 0: on average 0.7 % of the
    valid cells get a label that is more than a cell off. Arguments as for `analytic`.
    """
    cells = cell_positions(height, width).to(matrix.device, torch.float64)
    image = torch.cat([cells, torch.ones_like(cells[:, :1])], dim=1).T.view(1, 3, height, width).float()
    last = cells.new_tensor([width - 1, height - 1])
    grid = (warp_cells(matrix, height, width) / last * 2 - 1).view(-1, height, width, 2).float()
    x, y, inside = F.grid_sample(image.expand(len(grid), -1, -1, -1), grid, align_corners=True).flatten(2).unbind(1)
    return Targets((y.round() * width + x.round()).long(), inside > 0.5)


def same_cell(batch: int, height: int, width: int, device: torch.device) -> Targets:
    """No label warping, for crops that are the same in both directions: every walk should end where it began."""
    cell = torch.arange(height * width, device=device).expand(batch, -1)
    return Targets(cell, torch.ones_like(cell, dtype=torch.bool))


def warp_cells(matrix: Tensor, height: int, width: int) -> Tensor:
    """Positions (x, y) in the returning grid of the outgoing grid's cells, float64 [B, N, 2], see `analytic`."""
    cells = cell_positions(height, width).to(matrix.device, torch.float64)
    return cells @ matrix[:, :, :2].double().mT + matrix[:, None, :, 2].double()
