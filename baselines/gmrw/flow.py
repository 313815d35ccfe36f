"""Flow between two frames at given positions, from a map of all cells or from a few rows of the transition matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vgmae_bench.devices import constant, placed

from .lattice import Lattice
from .readout import Readout, cell_positions, expected_positions, expected_rows

Flow = Callable[[Tensor], Tensor]
"""Maps positions [P, 2] in one frame to their displacements [P, 2] to another, in pixels."""


class Flows(NamedTuple):
    """Flow from one frame to another, and back."""

    there: Flow
    back: Flow


@dataclass(frozen=True, eq=False)
class FlowMap:
    """Flow in all cells of a map.

    Attributes:
        cells: [h * w, 2], displacements in cells.
        lattice: of the map.
    """

    cells: Tensor
    lattice: Lattice

    @classmethod
    def read(cls, fa: Tensor, fb: Tensor, tau: float, readout: Readout, lattice: Lattice) -> FlowMap:
        """Compute the flow of all cells from matched features [1, C, h, w]."""
        there = expected_positions(fa, fb, tau, readout)[0].flatten(0, 1)
        return cls(there - placed(cell_positions, *lattice.grid, device=there.device).to(there), lattice)

    def __call__(self, xy: Tensor) -> Tensor:
        """Flow at positions [P, 2]: float [P, 2], pixels."""
        cells, shares = self.lattice.taps(xy)
        return (shares[..., None] * self.cells[cells]).sum(dim=0) * constant(self.lattice.scale, xy)


@dataclass(frozen=True, eq=False)
class FlowRows:
    """Flow that is computed only in requested cells. It equals that of `FlowMap`.

    Attributes:
        fa, fb: [1, C, h, w], matched features.
        tau, readout: see `expected_rows`.
        lattice: of the map.
    """

    fa: Tensor
    fb: Tensor
    tau: float
    readout: Readout
    lattice: Lattice

    def __call__(self, xy: Tensor) -> Tensor:
        """Flow at positions [P, 2]: float [P, 2], pixels."""
        cells, shares = self.lattice.taps(xy)
        if xy.device.type == "cpu":
            needed, place = torch.unique(cells, return_inverse=True)
        else:  # cells that points share are computed again: the host would have to wait to learn how many there are
            needed, place = cells.flatten(), torch.arange(cells.numel(), device=xy.device).view_as(cells)
        rows = self.fa.flatten(2)[:, :, needed].transpose(1, 2)
        there = expected_rows(rows, self.fb, self.tau, self.readout)[0]
        flow = there - placed(cell_positions, *self.lattice.grid, device=there.device).to(there)[needed]
        return (shares[..., None] * flow[place]).sum(dim=0) * constant(self.lattice.scale, xy)
