"""Means of what is measured at every step, over the steps since they were last written down and over all processes."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor


class Meter:
    """Sums, in float64, on the device they are measured on: measuring does not wait for it."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, values: dict[str, Tensor], weight: float = 1.0) -> None:
        """Add `weight` times the values to their sums."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + weight * value.detach().double()

    def count(self) -> None:
        """A step is over."""
        self._count += 1

    def share(self, fabric: Fabric) -> None:
        """Let all processes have the same sums: what one of them keeps is then true for all. All must call."""
        if fabric.world_size > 1 and self._sums:
            sums = fabric.all_reduce(torch.stack(list(self._sums.values())), reduce_op="mean")
            assert isinstance(sums, Tensor)  # as what it was given
            self._sums = dict(zip(self._sums, sums, strict=True))

    def means(self) -> dict[str, float]:
        """The means over the steps counted."""
        return {name: float(value) / self._count for name, value in self._sums.items()}

    def clear(self) -> None:
        """Start again with no steps."""
        self._sums, self._count = {}, 0

    def state(self) -> dict[str, Tensor | int]:
        """For a checkpoint; `load` takes it back."""
        return {"count": self._count, **{f"sum {name}": value for name, value in self._sums.items()}}

    def load(self, state: dict[str, Tensor | int]) -> None:
        """Take back what `state` gave."""
        self._count = int(state["count"])
        self._sums = {name.removeprefix("sum "): sum_ for name, sum_ in state.items() if isinstance(sum_, Tensor)}
