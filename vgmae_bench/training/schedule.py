"""Learning rate schedule, weight decay groups, and averaging of weights."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

Schedule = Literal["cosine", "constant"]


def lr_factor(step: int, warmup: int, steps: int, schedule: Schedule = "cosine") -> float:
    """The learning rate at a step (counted from 0) as a share of the highest: linear warm-up, then half a cosine to 0.

    The warm-up is (step + 1) / warmup while that is below 1, as in MAE. "constant" remains 1 after the warm-up.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class MovingAverage(AveragedModel):
    """The moving average of a model's weights. It starts with the first weights. Buffers are copied.

    Unlike its base class, it does not wait for the device.

    Arguments:
        decay, warmup: `ema_decay` and `ema_warmup` of `vgmae_bench.training.settings.OptimiserConfig`.
    """

    def __init__(self, model: nn.Module, decay: float, warmup: bool) -> None:
        super().__init__(model)
        self._decay, self._warmup = decay, warmup

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Include the present weights of the model."""
        average, new = tuple(self.module.parameters()), tuple(model.parameters())
        n = int(self.n_averaged)  # it is on the CPU
        if n == 0:
            torch._foreach_copy_(average, new)
        else:
            decay = min(self._decay, (1 + n) / (10 + n)) if self._warmup else self._decay
            torch._foreach_lerp_(average, new, 1 - decay)
        for own, other in zip(self.module.buffers(), model.buffers(), strict=True):
            own.copy_(other)
        self.n_averaged += 1


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameter groups of AdamW. Biases and other 1-D parameters have no weight decay; all others have.

    Tokens and learned positions are 3-D and decay, as in the official code (tekotan/video-gmae c630810). Parameters with an
    attribute `lr_scale` get this share of the learning rate, in separate groups.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {(1.0, False): [], (1.0, True): []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and not name.endswith(".bias")
            groups.setdefault((getattr(parameter, "lr_scale", 1.0), decays), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": weight_decay if decays else 0.0, "lr_scale": scale}
        for (scale, decays), parameters in groups.items()
    ]
