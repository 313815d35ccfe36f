"""Interfaces that a method implements for training."""

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
from vgmae_bench.training.settings import LoopConfig
from vgmae_bench.types import Tracker


class ClipShape(NamedTuple):
    """Shape of the requested clips. Frames are square, and `stride` frames of a video apart; synthetic clips have `speed`.

    Clips of a bank are 1 to `stride` frames apart. Other synthetic clips ignore the stride.
    """

    frames: int
    image_size: int
    stride: int = 1
    speed: float = 1.0


class Batch(NamedTuple):
    """A batch of clips.

    Attributes:
        video: uint8 [B, T, H, W, 3] RGB on the training device.
        seeds: one per clip, for all random choices in training on it. Thus every process treats the clip alike.
        numbers: numbers of the clips in their source, negative for examples; empty without a source.
        flow: true motion of every pixel of an example to the next frame, float [B, T - 1, H, W, 2], (x, y), pixels; NaN in
            clips whose motion is unknown. None if it is unknown in all clips.
    """

    video: Tensor
    seeds: tuple[int, ...]
    numbers: tuple[int, ...] = ()
    flow: Tensor | None = None

    def cut(self, start: int | None, stop: int | None) -> Batch:
        """The clips `start` to `stop` - 1 of the batch."""
        flow = None if self.flow is None else self.flow[start:stop]
        return Batch(self.video[start:stop], self.seeds[start:stop], self.numbers[start:stop], flow)


class Losses(NamedTuple):
    """The loss of a batch.

    Attributes:
        total: a mean over the batch's clips. Training minimises it.
        parts: terms for the log, by name, without gradient. The names are the same at every step.
    """

    total: Tensor
    parts: dict[str, Tensor]

    @classmethod
    def sum_of(cls, parts: dict[str, Tensor]) -> Losses:
        """Losses whose total is the sum of the parts."""
        return cls(torch.stack(list(parts.values())).sum(), {name: part.detach() for name, part in parts.items()})


N = TypeVar("N", bound=nn.Module)
B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)


class Source(Protocol[B_co]):
    """An endless, numbered supply of clips: the same number always gives the same clip."""

    def batch(self, numbers: range, shape: ClipShape, device: str) -> B_co:
        """The clips with these numbers."""

    def examples(self, count: int, shape: ClipShape, device: str) -> B_co:
        """Clips for pictures and validation, which training never uses; by default those with negative numbers."""
        return self.batch(range(-1, -1 - count, -1), shape, device)

    def describe(self) -> Json:
        """Everything that the clips depend on, without paths of this machine. Part of a training's identity."""

    def skipped(self) -> dict[Path, str]:
        """Files that could not be read so far, with the reasons."""
        return {}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Set the seed of torch's global CPU generator within a `with` block, and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def untrained(make: Callable[[], N], seed: int) -> N:
    """A network from `make` in evaluation mode, with random weights that depend on the seed alone."""
    with seeded(seed):
        return make().eval()


class Recipe(nn.Module, ABC, Generic[N, B]):
    """A network and its training. The forward pass returns the loss of a batch.

    `N` is the class of the network, `B` that of the batches. The loop passes the source's batches to the recipe.

    Arguments:
        config: settings of the training.
        make: creates the network. Its random weights depend on `config.seed` alone.
    """

    config: LoopConfig
    network: N

    def __init__(self, config: LoopConfig, make: Callable[[], N]) -> None:
        super().__init__()
        self.config = config
        with seeded(config.seed):
            self.network = make()

    def around(self, network: N) -> Self:
        """The same recipe with another network, such as a moving average. Everything else is shared."""
        other = copy.copy(self)
        other._modules = {**self._modules, "network": network}
        return other

    @abstractmethod
    def init_from(self, weights: Path) -> list[str]:
        """Copy the matching tensors of a weights file to the new network.

        Returns:
            Sentences about the tensors that were copied and those that were not.

        Raises:
            WeightsError: the file cannot be read, or no tensor fits.
        """

    @abstractmethod
    def shape(self, step: int) -> ClipShape:
        """The shape of the clips at a step."""

    @abstractmethod
    def forward(self, batch: B, step: int) -> Losses:
        """The loss of a batch at a step, counted from 0."""

    @abstractmethod
    def export(self, path: Path, source: Json) -> None:
        """Write the weights file. It stores `source`, the origin of the weights."""

    @abstractmethod
    def tracker(self, device: str) -> Tracker | None:
        """A tracker that shares the present network's weights. None if the network cannot track yet."""

    @abstractmethod
    def pictures(self, batch: B, path: Path) -> Sequence[npt.NDArray[np.uint8]] | None:
        """Draw the network's results for some clips as a PNG.

        Returns:
            Frames of a short video of the last clip, uint8 [H, W, 3] RGB; None for no video.
        """


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode within a `with` block."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
