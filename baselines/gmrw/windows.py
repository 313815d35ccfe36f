"""Attention windows of a feature map, and position codes relative to them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor


def within_windows(work: Callable[[Tensor], Tensor], x: Tensor, splits: int, *, shifted: bool) -> Tensor:
    """Apply `work` (tokens [B, n, C] to tokens of the same shape) to the cells of each window of x [B, h, w, C].

    There are `splits` windows along each axis. Shifted windows begin half a window later. Swin's shifted windows wrap around
    the borders, with a mask that separates the joined parts (arXiv 2103.14030, section 3.2). Cutting the map where the mask
    would be gives the same without a mask. Likewise, smaller windows at the end (if `splits` does not divide the map) equal
    padded windows with masked padding. Without gradients, x itself is overwritten.
    """
    heights, widths = (_slices(side, splits, shifted) for side in x.shape[1:3])
    out = torch.empty_like(x) if torch.is_grad_enabled() else x
    for rows in heights:
        for columns in widths:
            window = x[:, rows, columns]
            out[:, rows, columns] = work(window.flatten(1, 2)).view(window.shape)
    return out


def window_positions(height: int, width: int, channels: int, splits: int) -> Tensor:
    """Sine code [C, h, w] of each cell's position in its window, equal in all windows; rows first, then columns (DETR)."""
    rows = _sines(height, splits, channels // 2)[:, :, None].expand(-1, -1, width)
    columns = _sines(width, splits, channels // 2)[:, None, :].expand(-1, height, -1)
    return torch.cat([rows, columns])


def _sines(length: int, splits: int, channels: int) -> Tensor:
    """[channels, length]: sines (even) and cosines (odd) of the position in a window. The last cell is at 2 π."""
    window = math.ceil(length / splits)
    place = (torch.arange(length) % window + 1) / (window + 1e-6) * (2 * math.pi)
    channel = torch.arange(channels)
    angle = place / (10000 ** (2 * (channel // 2) / channels))[:, None]
    return torch.where(channel[:, None] % 2 == 0, angle.sin(), angle.cos())


def _slices(length: int, splits: int, shifted: bool) -> list[slice]:
    window = math.ceil(length / splits)
    start = window // 2 if shifted and splits > 1 else 0
    edges = sorted({0, length, *range(start, length, window)})
    return [slice(start, end) for start, end in pairwise(edges)]
