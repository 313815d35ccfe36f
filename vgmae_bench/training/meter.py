"""Means of the values of every step, over all processes and all steps since the last line of the log."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor


class Meter:
    """Float64 sums on the training device, so that the CPU does not wait for it."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, values: dict[str, Tensor], weight: float = 1.0) -> None:
        """Add `weight` times the values to their sums."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + weight * value.detach().double()

    def count(self) -> None:
        """Count a finished step."""
        self._count += 1

    def share(self, fabric: Fabric) -> None:
        """Add up the sums of all processes, so that all have the same. All processes must call this."""
        if fabric.world_size > 1 and self._sums:
            sums: Any = fabric.all_reduce(torch.stack(list(self._sums.values())), reduce_op="mean")
            self._sums = dict(zip(self._sums, sums, strict=True))

    def means(self) -> dict[str, float]:
        """The means over the counted steps."""
        if not self._sums:
            return {}
        sums = torch.stack(list(self._sums.values())).cpu().tolist()  # one copy to the host
        return {name: sum_ / self._count for name, sum_ in zip(self._sums, sums, strict=True)}

    def clear(self) -> None:
        """Set all sums and the number of steps to zero."""
        self._sums, self._count = {}, 0

    def state(self) -> dict[str, Tensor | int]:
        """The state for a checkpoint; `load` restores it."""
        return {"count": self._count, **{f"sum {name}": value for name, value in self._sums.items()}}

    def load(self, state: dict[str, Tensor | int]) -> None:
        """Restore the result of `state`."""
        self._count = int(state["count"])
        self._sums = {name.removeprefix("sum "): sum_ for name, sum_ in state.items() if isinstance(sum_, Tensor)}
