"""Windows of a feature map: attention stays within them, and positions are told relative to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """A map cut into rectangles: the heights of its rows of windows and the widths of its columns.

    Swin's shifted windows wrap around the borders, and a mask keeps apart what wrapping brought together (arXiv
    2103.14030, section 3.2). Cutting the map where the mask would is the same without mask, wrapping and padding.
    """

    heights: tuple[int, ...]
    widths: tuple[int, ...]

    @classmethod
    def cut(cls, height: int, width: int, splits: int, *, shifted: bool) -> Windows:
        """Windows of a height × width map, `splits` along each axis; shifted ones are moved on by half their size."""
        return cls(_lengths(height, splits, shifted), _lengths(width, splits, shifted))


def attend_within(windows: Windows, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention [B, h, w, C] of each cell to the cells of its own window."""
    strips = []
    for strip in zip(*(x.split(windows.heights, dim=1) for x in (q, k, v)), strict=True):
        cut = zip(*(x.split(windows.widths, dim=2) for x in strip), strict=True)
        strips.append(torch.cat([_attend(*window) for window in cut], dim=2))
    return torch.cat(strips, dim=1)


def window_positions(height: int, width: int, channels: int, splits: int) -> Tensor:
    """Sine code [C, h, w] of each cell's place in its window, the same in all windows; rows first, then columns (DETR)."""
    rows = _sines(height, splits, channels // 2)[:, :, None].expand(-1, -1, width)
    columns = _sines(width, splits, channels // 2)[:, None, :].expand(-1, height, -1)
    return torch.cat([rows, columns])


def _sines(length: int, splits: int, channels: int) -> Tensor:
    """[channels, length]: sines (even) and cosines (odd) of the place in a window, whose last cell is at 2 π."""
    window = math.ceil(length / splits)
    place = (torch.arange(length) % window + 1) / (window + 1e-6) * (2 * math.pi)
    channel = torch.arange(channels)
    angle = place / (10000 ** (2 * (channel // 2) / channels))[:, None]
    return torch.where(channel[:, None] % 2 == 0, angle.sin(), angle.cos())


def _lengths(length: int, splits: int, shifted: bool) -> tuple[int, ...]:
    window = math.ceil(length / splits)
    start = window // 2 if shifted and splits > 1 else 0
    edges = sorted({0, length, *range(start, length, window)})
    return tuple(end - start for start, end in pairwise(edges))


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    queries, keys, values = (x.flatten(1, 2)[:, None] for x in (q, k, v))
    mixed: Tensor = F.scaled_dot_product_attention(queries, keys, values)
    return mixed.reshape(q.shape)
