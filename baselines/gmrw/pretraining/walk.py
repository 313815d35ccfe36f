"""The contrastive random walk: from every cell to the next frames and back, with the probability of ending in the right cell.

arXiv 2409.16288, section 3. Transition matrices are [N, N] for N cells; here they are processed in pieces. The official code
multiplies them, which takes N³. A walk over two frames and back takes N² here: only one entry per row of the product is
needed, the row of the first matrix times a column of the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from vgmae_bench.devices import constant, placed

from ..readout import Method, Readout, cell_positions, expected_rows
from .warp import Targets

FLOOR = 1e-7
"""Added to probabilities before the logarithm (official code)."""


class Transition(NamedTuple):
    """A step of the walk, from each cell of one frame to the cells of another.

    Attributes:
        source, target: features [B, N, C] of the two frames from `GMRW.match`, in raster order.
    """

    source: Tensor
    target: Tensor


@dataclass(frozen=True)
class Walker:
    """Computes transitions from features.

    Attributes:
        height, width: size of the grid of cells; N = height × width.
        temperature: divisor of inner products.
        radius: only cells nearer than this to the likeliest one can be reached, in cells; None: all. This is
            "weighted_argmax" of the official code.
        pieces: entries of transition matrices of the whole batch that are processed at once. It limits the memory of forward
            and backward pass only.
    """

    height: int
    width: int
    temperature: float
    radius: float | None = None
    pieces: int = 2**26

    def return_probability(self, walk: Sequence[Transition], cell: Tensor) -> Tensor:
        """The probability [B, N] that a walk from each cell ends in its target cell.

        Arguments:
            walk: two or more transitions. Each after the second costs N³.
            cell: int64 [B, N], see `vgmae_baselines.gmrw.pretraining.warp.Targets`.
        """
        first, *between, last = walk
        rows = self._rows_at_once(cell)
        normaliser = self._of_rows(last, lambda logits: logits.logsumexp(dim=-1))
        likeliest = None
        if self.radius is not None:
            with torch.no_grad():
                likeliest = self._of_rows(last, lambda logits: logits.argmax(dim=-1))

        def part(source: Tensor, cell: Tensor) -> Tensor:
            there = self._logits(source, first.target).softmax(dim=-1)
            for transition in between:
                there = self._go_on(there, transition)
            return (there * self._columns(last, cell, normaliser, likeliest)).sum(dim=-1)

        return torch.cat(_in_parts(part, rows, first.source, cell), dim=1)

    def flow(self, transition: Transition, size: tuple[int, int]) -> Tensor:
        """The mean step as flow [B, 2, H, W] (x, y), in pixels of a frame of size (H, W).

        The cells' flow is resized with align_corners, as in the official code.
        """
        grid = (self.height, self.width)
        target = transition.target.mT.unflatten(2, grid)
        method: Method = "weighted_sum" if self.radius is None else "weighted_argmax"
        readout = Readout(method, self.radius or 1.0)

        def part(source: Tensor) -> Tensor:
            return expected_rows(source, target, self.temperature, readout)

        ends = torch.cat(_in_parts(part, self._rows_at_once(transition.source), transition.source), dim=1)
        flow = (ends - placed(cell_positions, *grid, device=ends.device).to(ends)).mT.unflatten(2, grid)
        pixels: Tensor = constant((size[1] / self.width, size[0] / self.height), flow)
        resized: Tensor = F.interpolate(flow, size, mode="bilinear", align_corners=True)
        return resized * pixels[:, None, None]

    def _rows_at_once(self, like: Tensor) -> int:
        return max(1, self.pieces // (len(like) * self.height * self.width))

    def _logits(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits [B, M, N] of rows [B, M, C] for all cells."""
        logits = source @ target.mT / self.temperature
        if self.radius is None:
            return logits
        everywhere = torch.arange(logits.shape[-1], device=logits.device)
        return logits.masked_fill(self._apart(logits.argmax(dim=-1, keepdim=True), everywhere), -torch.inf)

    def _apart(self, one: Tensor, other: Tensor) -> Tensor:
        """Whether cells are farther apart than `radius`."""
        assert self.radius is not None
        across, down = one % self.width - other % self.width, one // self.width - other // self.width
        return across**2 + down**2 >= self.radius**2

    def _go_on(self, there: Tensor, transition: Transition) -> Tensor:
        """The distribution [B, M, N] of walks after another transition."""

        def part(source: Tensor, here: Tensor) -> Tensor:
            return here.mT @ self._logits(source, transition.target).softmax(dim=-1)

        return torch.stack(_in_parts(part, self._rows_at_once(there), transition.source, there.mT)).sum(dim=0)

    def _of_rows(self, transition: Transition, reduce: Callable[[Tensor], Tensor]) -> Tensor:
        """Reduce the logits [B, M, N] of all rows to a number for each row: [B, N]."""

        def part(source: Tensor) -> Tensor:
            return reduce(self._logits(source, transition.target))

        return torch.cat(_in_parts(part, self._rows_at_once(transition.source), transition.source), dim=1)

    def _columns(self, transition: Transition, cell: Tensor, normaliser: Tensor, likeliest: Tensor | None) -> Tensor:
        """The columns `cell` [B, M] of a transition matrix, as rows: [B, M, N].

        Arguments:
            normaliser: [B, N], the logarithm of the sum of each row's exponentials.
            likeliest: int64 [B, N], the likeliest cell of each row; None without a radius.
        """
        target = transition.target.take_along_dim(cell[:, :, None], dim=1)
        columns = (target @ transition.source.mT / self.temperature - normaliser[:, None]).exp()
        if likeliest is None:
            return columns
        return columns.masked_fill(self._apart(likeliest[:, None], cell[:, :, None]), 0.0)


def walk_loss(probability: Tensor, targets: Targets) -> Tensor:
    """Mean of -log(probability) over the valid cells of each clip: [B].

    The official code averages over all cells of a batch per GPU, which is one clip.
    """
    logarithm = (probability + FLOOR).log() * targets.valid
    return -logarithm.sum(dim=1) / (targets.valid.sum(dim=1) + 1e-5)


def _in_parts(part: Callable[..., Tensor], rows: int, *tensors: Tensor) -> list[Tensor]:
    """Apply `part` to `rows` rows (dimension 1) of the tensors at a time.

    Only the tensors are stored for the backward pass. Intermediate results are computed again.
    """
    if rows >= tensors[0].shape[1]:
        return [part(*tensors)]
    pieces = zip(*(tensor.split(rows, dim=1) for tensor in tensors), strict=True)
    return [checkpoint(part, *piece, use_reentrant=False, preserve_rng_state=False) for piece in pieces]
