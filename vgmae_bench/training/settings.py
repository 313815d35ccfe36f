"""The settings that every training has, in sections: the optimiser, the data, and the loop itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vgmae_bench.errors import UsageError
from vgmae_bench.settings import at_least
from vgmae_bench.training.schedule import Schedule, lr_factor

BOOKKEEPING = frozenset(
    {"workers", "log_every", "checkpoint_every", "picture_every", "validate_every", "validate_clips"}
)
"""Settings that change what is written along the way but not what is learned: a resumed run may have others."""


@dataclass(frozen=True)
class OptimiserConfig:
    """How gradients become updates of the weights.

    Attributes:
        lr: the highest learning rate.
        lr_base_batch: `lr` is meant for this batch size and scaled linearly to the actual one; 0: taken as it is.
        weight_decay: of AdamW, for matrices; biases and other 1-D parameters never decay.
        betas: of AdamW.
        warmup_steps: of linear warm-up.
        lr_schedule: what follows: half a "cosine", down to 0, or the "constant" highest learning rate.
        clip_norm: gradients are scaled down to this norm; 0: never.
        ema_decay: weights leave as their exponential moving average with this decay; 0: as they are.
        ema_warmup: the average begins short, with a decay of (1 + n) / (10 + n) at its n-th update while that is less;
            otherwise the first weights stay in it for thousands of steps, as in the official code.

    Raises:
        UsageError: a number out of its range.
    """

    lr: float = 1e-3
    lr_base_batch: int = 0
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    warmup_steps: int = 0
    lr_schedule: Schedule = "cosine"
    clip_norm: float = 2.0
    ema_decay: float = 0.0
    ema_warmup: bool = True

    def __post_init__(self) -> None:
        at_least(self, lr=0, lr_base_batch=0, weight_decay=0, warmup_steps=0, clip_norm=0)
        if not 0 <= self.ema_decay < 1:
            raise UsageError("ema_decay is a share below 1", f"it is {self.ema_decay}")


@dataclass(frozen=True)
class DataConfig:
    """How many clips a training sees, and how they reach it.

    Attributes:
        batch_size: clips of one update, over all processes.
        accumulate: passes in which each process works through its share of them.
        distinct_clips: clips to learn from; when all have been seen they come again. 0: as many as the training takes. Must
            be a multiple of the batch. What is rare or hard to find is found sooner in few clips that repeat than in many
            (Charton and Kempe, arXiv 2410.07041).
        bank_scenes: cut synthetic clips from a bank of so many rendered scenes, at random places and strides, mirrored and
            recoloured (`vgmae_bench.training.clips.bank`). Far faster than rendering each clip. 0: render each.
        bank_frames: of each scene of the bank.
        workers: threads that read videos; with any, batches are made ahead, beside the training.

    Raises:
        UsageError: a number out of its range.
    """

    batch_size: int = 8
    accumulate: int = 1
    distinct_clips: int = 0
    bank_scenes: int = 0
    bank_frames: int = 12
    workers: int = 2

    def __post_init__(self) -> None:
        at_least(self, batch_size=1, accumulate=1, distinct_clips=0, bank_scenes=0, workers=0)
        if self.distinct_clips % self.batch_size:
            raise UsageError(
                "distinct_clips must be a multiple of batch_size", f"{self.distinct_clips}, {self.batch_size}"
            )
        if self.batch_size % self.accumulate:
            raise UsageError("batch_size must be a multiple of accumulate", f"{self.batch_size}, {self.accumulate}")


@dataclass(frozen=True)
class ClipDataConfig(DataConfig):
    """The same for clips of several frames.

    Attributes:
        stride: frames of a video from one frame of a clip to the next. Clips of a bank are 1 to `stride` frames apart. Other
            synthetic clips ignore it.
        speed: of synthetic clips; 1 moves points by 3/256 of the frame per frame.

    Raises:
        UsageError: a number out of its range.
    """

    stride: int = 1
    speed: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, stride=1, speed=0)


@dataclass(frozen=True)
class LoopConfig:
    """Settings of the loop. A recipe's own settings extend them, and may extend the sections.

    Attributes:
        optimiser: how weights are updated.
        data: the clips.
        steps: updates of the weights.
        seed: of initial weights, data and masks. Every random number is a function of it and of the step.
        precision: "bf16" runs matrix products in bfloat16; weights stay float32 either way.
        log_every, checkpoint_every, picture_every, validate_every: in steps; 0: only at the end.
        validate_clips: held-out synthetic clips that are tracked to see where training stands; 0: none.

    Raises:
        UsageError: a number out of its range.
    """

    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    data: DataConfig = field(default_factory=DataConfig)
    steps: int = 1000
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    log_every: int = 10
    checkpoint_every: int = 500
    picture_every: int = 500
    validate_every: int = 500
    validate_clips: int = 8

    def __post_init__(self) -> None:
        at_least(self, steps=1, seed=0, log_every=0, checkpoint_every=0)
        at_least(self, picture_every=0, validate_every=0, validate_clips=0)

    @property
    def peak_lr(self) -> float:
        """The highest learning rate, scaled to the batch."""
        optimiser = self.optimiser
        if not optimiser.lr_base_batch:
            return optimiser.lr
        return optimiser.lr * self.data.batch_size / optimiser.lr_base_batch

    def lr_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return self.peak_lr * lr_factor(step, self.optimiser.warmup_steps, self.steps, self.optimiser.lr_schedule)
