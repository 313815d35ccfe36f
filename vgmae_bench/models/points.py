"""Points in frames and maps: whether they are inside, and the pixels around them."""

from __future__ import annotations

import torch
from torch import Tensor

from vgmae_bench.devices import constant
from vgmae_bench.types import Size


def inside(xy: Tensor, size: Size) -> Tensor:
    """Bool [...]: which positions [..., 2] are in a frame of `size` (height, width). Its right and lower edges are outside."""
    return ((xy >= 0) & (xy < constant((size[1], size[0]), xy))).all(dim=-1)


def four_pixels(index: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """The four pixels around each position, for bilinear sampling. Outside the map, these are pixels of its border.

    Arguments:
        index: [..., 2], (column, row). Pixel centres are integers.
        size: (height, width) of the map.

    Returns:
        Pixels, int64 [4, ..., 2] (column, row), and their shares [4, ...], which sum to 1.
    """
    last = constant((size[1] - 1, size[0] - 1), index)
    index = index.clamp(min=torch.zeros_like(last), max=last)
    low = index.floor().long()
    high = torch.minimum(low + 1, last.long())
    right, down = (index - low).unbind(-1)
    (left_column, top_row), (right_column, bottom_row) = low.unbind(-1), high.unbind(-1)
    columns = torch.stack([left_column, right_column, left_column, right_column])
    rows = torch.stack([top_row, top_row, bottom_row, bottom_row])
    shares = torch.stack([(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down])
    return torch.stack([columns, rows], dim=-1), shares
