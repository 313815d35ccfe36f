"""Settings of every training, in sections: optimiser, data, and the loop itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vgmae_bench.errors import UsageError
from vgmae_bench.settings import at_least, multiple_of
from vgmae_bench.training.schedule import Schedule, lr_factor

Precision = Literal["fp32", "bf16", "auto"]

BOOKKEEPING = frozenset(
    {"workers", "log_every", "checkpoint_every", "picture_every", "validate_every", "validate_clips"}
)
"""Settings that affect output but not the weights. A resumed training can have other values."""


@dataclass(frozen=True)
class OptimiserConfig:
    """Settings of the optimiser (AdamW).

    Attributes:
        lr: the highest learning rate.
        lr_base_batch: the batch size for which `lr` is meant. `lr` is scaled linearly to the actual batch size; 0: no scaling.
        weight_decay: weight decay of matrices. Biases and other 1-D parameters have none.
        betas: AdamW's betas.
        warmup_steps: steps of linear warm-up.
        lr_schedule: after the warm-up: "cosine" is half a cosine down to 0, "constant" the highest learning rate.
        clip_norm: limit on the norm of the gradients; 0: no limit.
        ema_decay: export the exponential moving average of the weights with this decay; 0: export the weights themselves.
        ema_warmup: use a decay of (1 + n) / (10 + n) at the n-th update while it is smaller. Without this, as in the official
            code, the initial weights remain in the average for thousands of steps.

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
            raise UsageError("ema_decay must be a share below 1", f"it is {self.ema_decay}")


@dataclass(frozen=True)
class DataConfig:
    """Settings of the clips and of loading them.

    Attributes:
        batch_size: clips per update, over all processes.
        accumulate: number of passes in which each process handles its share of them.
        distinct_clips: number of distinct clips; they repeat. It must be a multiple of the batch size. 0: no clip repeats. Rare
            or difficult patterns are learned earlier from few repeated clips than from many (Charton and Kempe, arXiv
            2410.07041).
        bank_scenes: cut synthetic clips from a bank of this many rendered scenes, at random positions and strides, mirrored and
            recoloured (`vgmae_bench.training.clips.bank`). This is far faster than rendering each clip. 0: render each clip.
        bank_frames: frames per scene of the bank.
        workers: threads that read videos. If there are any, batches are prepared during training.

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
        multiple_of(self, distinct_clips="batch_size", batch_size="accumulate")


@dataclass(frozen=True)
class ClipDataConfig(DataConfig):
    """Settings of clips of several frames.

    Attributes:
        stride: step between frames of a clip, in frames of the video. Clips of a bank have a step of 1 to `stride`. Other
            synthetic clips ignore it.
        speed: speed of synthetic clips; 1 moves points by 3/256 of the frame's width per frame.

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
    """Settings of the loop. Recipes extend them and their sections.

    Attributes:
        optimiser: settings of the optimiser.
        data: settings of the clips.
        steps: number of updates of the weights.
        seed: seed of initial weights, data and masks. Every random number depends on it and on the step only.
        precision: "bf16" computes matrix products in bfloat16. "auto" does so where it is faster: on GPUs and CPUs with
            instructions for it. Weights are always float32.
        log_every, checkpoint_every, picture_every, validate_every: intervals in steps; 0: only at the end.
        validate_clips: number of held-out synthetic clips for validation by tracking; 0: no validation.

    Raises:
        UsageError: a number out of its range.
    """

    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    data: DataConfig = field(default_factory=DataConfig)
    steps: int = 1000
    seed: int = 0
    precision: Precision = "fp32"
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
        """The highest learning rate, scaled to the batch size."""
        optimiser = self.optimiser
        if not optimiser.lr_base_batch:
            return optimiser.lr
        return optimiser.lr * self.data.batch_size / optimiser.lr_base_batch

    def lr_at(self, step: int) -> float:
        """The learning rate at a step, counted from 0."""
        return self.peak_lr * lr_factor(step, self.optimiser.warmup_steps, self.steps, self.optimiser.lr_schedule)
