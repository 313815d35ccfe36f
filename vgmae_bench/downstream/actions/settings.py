"""Settings of linear probing and of fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from vgmae_bench.downstream.actions.views import ViewConfig
from vgmae_bench.errors import UsageError
from vgmae_bench.settings import at_least
from vgmae_bench.training.settings import DataConfig, LoopConfig, OptimiserConfig

HeadNorm = Literal["layer", "batch", "none"]


@dataclass(frozen=True)
class ProbeOptimiser(OptimiserConfig):
    """Settings of the optimiser.

    Attributes:
        warmup_epochs: epochs of linear warm-up. They determine `warmup_steps` if `epochs` determines `steps`.
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
    """Batches of a linear head."""

    batch_size: int = 256


@dataclass(frozen=True)
class FinetuneData(DataConfig):
    """Batches of an encoder."""

    batch_size: int = 32


@dataclass(frozen=True)
class ProbeConfig(LoopConfig, ViewConfig):
    """Settings of both modes. None means the default for the data.

    Attributes:
        epochs: passes through the training videos. They determine `steps`, unless `epochs` is 0 or `steps` is set.
        final_norm: apply the encoder's last norm before pooling. VideoMAE's fine-tuning and SIGMA's linear probing do not.
        head_norm: the norm before the linear layer. "layer" has learned weights (VideoMAE, SIGMA), "batch" has none (MAE).

    Raises:
        UsageError: a value is out of range.
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
    """Settings of linear probing: only the head learns. Features of the middle of each video are computed once.

    As in SIGMA: AdamW, lr 1e-3 for a batch of 256, mean over tokens. Unlike SIGMA, every video is seen in one view only,
    without augmentation.
    """

    data: LinearData = field(default_factory=LinearData)
    log_every: int = 50


@dataclass(frozen=True)
class FinetuneConfig(ProbeConfig):
    """Settings of fine-tuning: the whole encoder learns. As VideoMAE, without RandAugment, drop-path and repeated augmentation.

    Attributes:
        layer_decay: factor of the learning rate from each layer to the one below it.
        freeze: do not train the encoder. With pooling=attentive, this is attentive probing.
        pooling: "mean" averages the tokens. "attentive" pools them by attention from a learned query.
        min_area: smallest area of a crop, as a share of the frame.
        mixup, cutmix: parameters of the beta distributions; 0 turns them off.
        smoothing: label smoothing.
        erasing: share of the clips in which a rectangle is erased.
    """

    data: FinetuneData = field(default_factory=FinetuneData)
    head_norm: HeadNorm | None = "layer"
    layer_decay: float = 0.75
    freeze: bool = False
    pooling: Literal["mean", "attentive"] = "mean"
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
                raise UsageError(f"{name} must be a share below 1", f"it is {getattr(self, name)}")
        at_least(self, mixup=0, cutmix=0)


C = TypeVar("C", bound=ProbeConfig)


def settle(config: C, usual: Mapping[str, Any], videos: int) -> C:
    """Replace None by the default for the data, and convert epochs over `videos` videos to steps."""
    filled: dict[str, Any] = {name: value for name, value in usual.items() if getattr(config, name) is None}
    config = replace(config, **filled)
    if not config.epochs:
        return config
    a_step = videos / config.data.batch_size
    steps = max(1, round(config.epochs * a_step))
    warmup = min(round(config.optimiser.warmup_epochs * a_step), steps // 2)
    return replace(config, steps=steps, optimiser=replace(config.optimiser, warmup_steps=warmup))
