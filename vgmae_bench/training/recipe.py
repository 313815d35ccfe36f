"""What a method provides to be trained, and the settings that every method's training has."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vgmae_bench.config import Json
from vgmae_bench.errors import UsageError
from vgmae_bench.training.schedule import Schedule
from vgmae_bench.training.seeds import seeded
from vgmae_bench.types import Tracker

BOOKKEEPING = frozenset(
    {"workers", "log_every", "checkpoint_every", "picture_every", "validate_every", "validate_clips"}
)
"""Settings that change what is written along the way but not what is learned: a resumed run may have others."""


@dataclass(frozen=True)
class LoopConfig:
    """Settings of the loop. A recipe's own settings extend them.

    Attributes:
        steps: updates of the weights.
        batch_size: clips of one update, over all processes.
        accumulate: passes in which each process works through its share of them.
        distinct_clips: clips to learn from; when all have been seen they come again. 0: as many as the training takes. Must
            be a multiple of the batch. What is rare or hard to find is found sooner in few clips that repeat than in many
            (Charton and Kempe, arXiv 2410.07041).
        bank_scenes: cut synthetic clips from a bank of so many rendered scenes, at random places and strides, mirrored and
            recoloured (`vgmae_bench.training.clips.bank`). Far faster than rendering each clip. 0: render each.
        bank_frames: of each scene of the bank.
        seed: of initial weights, data and masks. Every random number is a function of it and of the step.
        lr: the highest learning rate.
        lr_base_batch: `lr` is meant for this batch size and scaled linearly to the actual one; 0: taken as it is.
        weight_decay: of AdamW, for matrices; biases and other 1-D parameters never decay.
        betas: of AdamW.
        warmup_steps: of linear warm-up.
        lr_schedule: what follows: half a "cosine", down to 0, or the "constant" highest learning rate.
        clip_norm: gradients are scaled down to this norm; 0: never.
        precision: "bf16" runs matrix products in bfloat16; weights stay float32 either way.
        ema_decay: weights leave as their exponential moving average with this decay; 0: as they are.
        ema_warmup: the average begins short, with a decay of (1 + n) / (10 + n) at its n-th update while that is less;
            otherwise the first weights stay in it for thousands of steps, as in the official code.
        workers: threads that read videos; with any, batches are made ahead, beside the training.
        log_every, checkpoint_every, picture_every, validate_every: in steps; 0: only at the end.
        validate_clips: held-out synthetic clips that are tracked to see where training stands; 0: none.

    Raises:
        UsageError: a number out of its range.
    """

    steps: int = 1000
    batch_size: int = 8
    accumulate: int = 1
    distinct_clips: int = 0
    bank_scenes: int = 0
    bank_frames: int = 12
    seed: int = 0
    lr: float = 1e-3
    lr_base_batch: int = 0
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    warmup_steps: int = 0
    lr_schedule: Schedule = "cosine"
    clip_norm: float = 2.0
    precision: Literal["fp32", "bf16"] = "fp32"
    ema_decay: float = 0.0
    ema_warmup: bool = True
    workers: int = 2
    log_every: int = 10
    checkpoint_every: int = 500
    picture_every: int = 500
    validate_every: int = 500
    validate_clips: int = 8

    def __post_init__(self) -> None:
        at_least = {"steps": 1, "batch_size": 1, "accumulate": 1, "lr": 0, "validate_clips": 0, "workers": 0}
        counts = dict.fromkeys(
            ["bank_scenes", "seed", "lr_base_batch", "weight_decay", "warmup_steps", "clip_norm", "log_every"], 0
        )
        every = dict.fromkeys(["checkpoint_every", "picture_every", "validate_every"], 0)
        for name, limit in {**at_least, **counts, **every}.items():
            if not getattr(self, name) >= limit:
                raise UsageError(f"{name} must be at least {limit}", f"it is {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise UsageError("ema_decay is a share below 1", f"it is {self.ema_decay}")
        if self.distinct_clips < 0 or self.distinct_clips % self.batch_size:
            raise UsageError(
                "distinct_clips must be a multiple of batch_size", f"{self.distinct_clips}, {self.batch_size}"
            )
        if self.batch_size % self.accumulate:
            raise UsageError("batch_size must be a multiple of accumulate", f"{self.batch_size}, {self.accumulate}")

    @property
    def peak_lr(self) -> float:
        """The highest learning rate, scaled to the batch."""
        return self.lr * self.batch_size / self.lr_base_batch if self.lr_base_batch else self.lr


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
