"""What a method provides to be trained."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vgmae_bench.config import Json
from vgmae_bench.training.seeds import seeded
from vgmae_bench.training.settings import LoopConfig
from vgmae_bench.types import Tracker


class ClipShape(NamedTuple):
    """What clips are wanted: so many frames, square, `stride` frames of a video apart; synthetic ones at `speed`.

    Clips of a bank are 1 to `stride` frames apart. Other synthetic clips ignore the stride.
    """

    frames: int
    image_size: int
    stride: int = 1
    speed: float = 1.0


class Batch(NamedTuple):
    """Clips to learn from.

    Attributes:
        video: uint8 [B, T, H, W, 3] RGB on the training device.
        seeds: one for each clip, for everything that is random about learning from it. The same clip is then treated alike
            in every process.
        numbers: of the clips in their source, negative for examples. Empty where no source made them.
        flow: true motion of every pixel of an example to the next frame, float [B, T - 1, H, W, 2], (x, y), pixels. NaN in
            clips whose motion is unknown. None: it is unknown in all.
    """

    video: Tensor
    seeds: tuple[int, ...]
    numbers: tuple[int, ...] = ()
    flow: Tensor | None = None

    def cut(self, start: int | None, stop: int | None) -> Batch:
        """Some of the clips."""
        flow = None if self.flow is None else self.flow[start:stop]
        return Batch(self.video[start:stop], self.seeds[start:stop], self.numbers[start:stop], flow)


class Losses(NamedTuple):
    """The loss of a batch.

    Attributes:
        total: a mean over the batch's clips. Training follows its gradient.
        parts: for the log, by name, without gradient. The names are the same at every step.
    """

    total: Tensor
    parts: dict[str, Tensor]

    @classmethod
    def sum_of(cls, parts: dict[str, Tensor]) -> Losses:
        """The total is the sum of the parts."""
        return cls(torch.stack(list(parts.values())).sum(), {name: part.detach() for name, part in parts.items()})


N = TypeVar("N", bound=nn.Module)
B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)


class Source(Protocol[B_co]):
    """An endless, numbered supply of clips: the same number always gives the same clip."""

    def batch(self, numbers: range, shape: ClipShape, device: str) -> B_co:
        """The clips of those numbers."""
        ...

    def examples(self, count: int, shape: ClipShape, device: str) -> B_co:
        """Clips that are not among the numbered ones, to look at."""
        ...

    def describe(self) -> Json:
        """What the clips depend on, without paths of this machine: part of the identity of a training."""
        ...

    def skipped(self) -> dict[Path, str]:
        """Files that could not be read so far, and why."""
        ...


class Recipe(nn.Module, ABC, Generic[N, B]):
    """A network and how it learns. The forward pass gives the loss of a batch.

    `N` is the class of the network, `B` that of the batches. The loop passes batches on as their source makes them.

    Arguments:
        config: settings of the training.
        make: makes the network. Its random weights depend on `config.seed` alone.
    """

    config: LoopConfig
    network: N

    def __init__(self, config: LoopConfig, make: Callable[[], N]) -> None:
        super().__init__()
        self.config = config
        with seeded(config.seed):
            self.network = make()

    def around(self, network: N) -> Self:
        """The same recipe around another network, such as a moving average. Everything else is shared."""
        other = copy.copy(self)
        other._modules = {**self._modules, "network": network}
        return other

    @abstractmethod
    def init_from(self, weights: Path) -> list[str]:
        """Take what fits of a weights file into the new network.

        Returns:
            Sentences on what was taken and what was not.

        Raises:
            WeightsError: the file cannot be read, or nothing fits.
        """

    @abstractmethod
    def shape(self, step: int) -> ClipShape:
        """The clips wanted at a step."""

    @abstractmethod
    def forward(self, batch: B, step: int) -> Losses:
        """The loss of a batch at a step, counted from 0."""

    @abstractmethod
    def export(self, path: Path, source: Json) -> None:
        """Write the weights file. `source` says where the weights come from and is kept in the file."""

    @abstractmethod
    def tracker(self, device: str) -> Tracker | None:
        """A tracker around the network as it is now, sharing its weights. None if the network cannot track yet."""

    @abstractmethod
    def pictures(self, batch: B, path: Path) -> None:
        """Draw what the network makes of some clips into a PNG."""

    def film(self, batch: B) -> Sequence[npt.NDArray[np.uint8]]:
        """Frames of a short video, uint8 [H, W, 3] RGB, about the last clip of a batch. Empty: the picture says all."""
        return []


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a while."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
