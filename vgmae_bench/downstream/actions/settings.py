"""Settings of linear probing and of fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from vgmae_bench.downstream.actions.heads import HeadNorm, Pooling
from vgmae_bench.downstream.actions.views import ViewConfig
from vgmae_bench.errors import UsageError
from vgmae_bench.settings import at_least
from vgmae_bench.training.settings import DataConfig, LoopConfig, OptimiserConfig


@dataclass(frozen=True)
class ProbeOptimiser(OptimiserConfig):
    """How gradients become updates of the weights.

    Attributes:
        warmup_epochs: of linear warm-up, from which `warmup_steps` follow where `epochs` counts.
    """

    lr: float = 1e-3
    lr_base_batch: int = 256
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 0.0
    warmup_epochs: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, warmup_epochs=0)


@dataclass(frozen=True)
class LinearData(DataConfig):
    """How many videos a linear head sees at a time."""

    batch_size: int = 256


@dataclass(frozen=True)
class FinetuneData(DataConfig):
    """How many clips an encoder sees at a time."""

    batch_size: int = 32


@dataclass(frozen=True)
class ProbeConfig(LoopConfig, ViewConfig):
    """Settings of either mode. None: as is usual for the data.

    Attributes:
        epochs: passes through the training videos, from which `steps` follow; 0, or whenever `steps` is set: those count.
        final_norm: the encoder's last norm is applied before pooling. VideoMAE's fine-tuning drops it, SIGMA's linear
            probing with it.
        head_norm: before the linear layer: "layer" is learned (VideoMAE, SIGMA), "batch" is not (MAE).

    Raises:
        UsageError: a number out of its range.
    """

    optimiser: ProbeOptimiser = field(default_factory=ProbeOptimiser)
    picture_every: int = 0
    validate_every: int = 0
    validate_clips: int = 0
    epochs: int | None = None
    final_norm: bool = False
    head_norm: HeadNorm | None = None

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        ViewConfig.__post_init__(self)
        at_least(self, epochs=0)


@dataclass(frozen=True)
class LinearConfig(ProbeConfig):
    """Settings of linear probing: the head alone learns, from features that are computed once, of the middle of each video.

    SIGMA's: AdamW, 1e-3 for a batch of 256, mean over tokens; ours is to see every video in one view, not in augmented ones.
    """

    data: LinearData = field(default_factory=LinearData)
    log_every: int = 50


@dataclass(frozen=True)
class FinetuneConfig(ProbeConfig):
    """Settings of fine-tuning: all of the encoder learns. VideoMAE's, but for RandAugment, drop-path and repeated augmentation.

    Attributes:
        layer_decay: of the learning rate, from each layer to the one below it.
        freeze: the encoder stays as it is; with pooling=attentive, that is attentive probing.
        pooling: "mean" of the tokens, or "attentive": a learned query attends to them.
        min_area: the smallest share of a frame that crops show.
        mixup, cutmix: parameters of the beta distributions; 0: off.
        smoothing: of labels.
        erasing: share of the clips that lose a rectangle.
    """

    data: FinetuneData = field(default_factory=FinetuneData)
    head_norm: HeadNorm | None = "layer"
    layer_decay: float = 0.75
    freeze: bool = False
    pooling: Pooling = "mean"
    min_area: float | None = None
    mixup: float | None = None
    cutmix: float | None = None
    smoothing: float | None = None
    erasing: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.layer_decay <= 1:
            raise UsageError("layer_decay must lie between 0 and 1", f"it is {self.layer_decay}")
        if self.min_area is not None and not 0 < self.min_area <= 1:
            raise UsageError("min_area must lie between 0 and 1", f"it is {self.min_area}")
        for name in ("smoothing", "erasing"):
            if not 0 <= (getattr(self, name) or 0) < 1:
                raise UsageError(f"{name} is a share below 1", f"it is {getattr(self, name)}")
        at_least(self, mixup=0, cutmix=0)


C = TypeVar("C", bound=ProbeConfig)


def settle(config: C, usual: Mapping[str, Any], videos: int) -> C:
    """What is None becomes what is usual, and epochs of so many videos become steps."""
    filled: dict[str, Any] = {name: value for name, value in usual.items() if getattr(config, name) is None}
    config = replace(config, **filled)
    if not config.epochs:
        return config
    a_step = videos / config.data.batch_size
    steps = max(1, round(config.epochs * a_step))
    warmup = min(round(config.optimiser.warmup_epochs * a_step), steps // 2)
    return replace(config, steps=steps, optimiser=replace(config.optimiser, warmup_steps=warmup))
