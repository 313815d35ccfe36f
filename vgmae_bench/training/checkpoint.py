"""Checkpoints: everything that a training needs to continue exactly, in one file.

Random numbers are not stored: they depend on the seed and the step only.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from vgmae_bench.errors import StorageError
from vgmae_bench.files import write_atomically

FORMAT = 1


class Meter:
    """Means of the values of every step, over all processes and all steps since the last line of the log.

    They are float64 sums on the training device, so that the CPU does not wait for it.
    """

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


@dataclass
class State:
    """Everything that changes during training.

    Attributes:
        model, optimizer, meter: objects with their own state.
        average: the moving average of the model, or None.
        step: number of updates so far.
        seconds: time of these updates over all sessions.
    """

    model: nn.Module
    optimizer: Optimizer
    meter: Meter
    average: AveragedModel | None
    step: int = 0
    seconds: float = 0.0

    @property
    def best(self) -> nn.Module:
        """The model for validation and export: the average if there is one."""
        if self.average is None or self.step == 0:
            return self.model
        return self.average.module

    def save(self, path: Path, digest: str) -> None:
        """Write a checkpoint of the training with this digest, atomically. Raises StorageError if that fails."""
        content = {
            "format": FORMAT,
            "digest": digest,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "meter": self.meter.state(),
        }
        write_atomically(path, lambda temporary: torch.save(content, temporary))

    def load(self, path: Path, digest: str) -> None:
        """Load a checkpoint. Nothing in the file is executed.

        Raises:
            StorageError: the file cannot be read, or belongs to another training.
        """
        try:
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            known = content["format"], content["digest"]
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise StorageError(f"The checkpoint {path} cannot be read", reason, try_=f"rm '{path}'") from error
        if known != (FORMAT, digest):
            raise StorageError(
                f"The checkpoint {path} belongs to another training", "", try_="another folder with --out DIR"
            )
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.meter.load(content["meter"])
        self.step, self.seconds = content["step"], content["seconds"]
