"""Computes the position of each cell in another frame from matched features: transition matrix and expected positions.

Cells are numbered row * w + column. Positions are (column, row) in cells. Source: arXiv 2409.16288; the methods are those of
the official code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vgmae_bench.devices import placed
from vgmae_bench.settings import positive

Method = Literal["weighted_sum", "weighted_argmax", "argmax"]
Precision = Literal["fp32", "official_fp16"]

HALF_FROM = 256
"""Grid size (both sides) from which "official_fp16" computes in half precision, as in the released code."""


@dataclass(frozen=True)
class Readout:
    """Settings of converting a row of the transition matrix to a position.

    Attributes:
        method: "weighted_sum": the mean position of all cells, weighted by probability. "weighted_argmax": the mean of the
            cells around the likeliest one. "argmax": the likeliest cell.
        radius: for "weighted_argmax", in cells; cells at this distance or farther are excluded.
        precision: "fp32", or "official_fp16": half precision on grids of 256×256 cells or more.
        max_bytes: memory limit for rows of the matrix, at least one; None: all rows.

    Raises:
        UsageError: the radius is not positive.
    """

    method: Method = "weighted_sum"
    radius: float = 5.0
    precision: Precision = "fp32"
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        positive(self, "radius")


def transition(fa: Tensor, fb: Tensor, tau: float) -> Tensor:
    """The transition matrix [B, N, N] of features [B, C, h, w]: softmax over the cells of b of ⟨fa, fb⟩ / tau."""
    return _transition(_rows(fa), fb.flatten(2), tau)


def around_argmax(probability: Tensor, width: int, radius: float) -> Tensor:
    """Restrict rows [..., N] of a transition matrix to the cells nearer than `radius` to the argmax. Rows sum to 1.

    Arguments:
        width: width of the grid in cells.
        radius: in cells.
    """
    cell = torch.arange(probability.shape[-1], device=probability.device)
    best = probability.argmax(dim=-1, keepdim=True)
    square = (cell // width - best // width) ** 2 + (cell % width - best % width) ** 2
    kept = probability * (square < radius**2)
    return kept / kept.sum(dim=-1, keepdim=True).clamp(min=1e-12)


def expected_positions(fa: Tensor, fb: Tensor, tau: float, readout: Readout) -> Tensor:
    """The expected position in b of every cell of a, [B, h, w, 2], from features [B, C, h, w]; see `expected_rows`."""
    B, _, height, width = fa.shape
    return expected_rows(_rows(fa), fb, tau, readout).view(B, height, width, 2)


def expected_rows(rows: Tensor, fb: Tensor, tau: float, readout: Readout) -> Tensor:
    """The expected positions in b of some cells of a. This equals attention with the cells' positions as values.

    Arguments:
        rows: [B, K, C], features of the cells of a.
        fb: [B, C, h, w], features of b.
        tau: see `transition`.
        readout: the method, and the memory limit.

    Returns:
        [B, K, 2], float32, or float64 for features in float64. Differentiable, except for "argmax".
    """
    height, width = fb.shape[2:]
    exact = torch.promote_types(fb.dtype, torch.float32)
    half = readout.precision == "official_fp16" and min(height, width) >= HALF_FROM
    dtype = torch.float16 if half else exact
    keys, grid = fb.flatten(2).to(dtype), placed(cell_positions, height, width, device=fb.device).to(dtype)
    positions = rows.new_empty(*rows.shape[:2], 2, dtype=exact)
    at_once = rows.shape[1] if readout.max_bytes is None else readout.max_bytes // (keys[:, 0].numel() * dtype.itemsize)
    for start in range(0, rows.shape[1], max(1, at_once)):
        some = slice(start, start + max(1, at_once))
        positions[:, some] = _expected(_transition(rows[:, some].to(dtype), keys, tau), grid, width, readout).to(exact)
    return positions


def cell_positions(height: int, width: int) -> Tensor:
    """Int64 [h * w, 2]: (column, row) of every cell."""
    cell = torch.arange(height * width)
    return torch.stack([cell % width, cell // width], dim=-1)


def _rows(features: Tensor) -> Tensor:
    return features.flatten(2).transpose(1, 2)


def _transition(rows: Tensor, keys: Tensor, tau: float) -> Tensor:
    """rows [B, K, C], keys [B, C, N] to [B, K, N]."""
    return (rows @ keys).div_(tau).softmax(dim=-1)


def _expected(probability: Tensor, grid: Tensor, width: int, readout: Readout) -> Tensor:
    """[B, K, N] to [B, K, 2]."""
    if readout.method == "argmax":
        return grid[probability.argmax(dim=-1)]
    if readout.method == "weighted_argmax":
        probability = around_argmax(probability, width, readout.radius)
    if probability.dtype == torch.float16:  # as in the released code, which also rounds every product
        return torch.stack([(probability * axis).sum(dim=-1) for axis in grid.unbind(-1)], dim=-1)
    return probability @ grid
