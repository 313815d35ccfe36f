"""The pretraining loss of Video-GMAE."""

from __future__ import annotations

from typing import Literal

from torch import Tensor


def reconstruction_loss(image: Tensor, video: Tensor, reduction: Literal["mean", "sum"]) -> Tensor:
    """Mean squared error of rendered clips, over every pixel of every frame, masked or not (arXiv 2512.22489).

    Arguments:
        image: [B, T, H, W, 3] rendered RGB.
        video: [B, T, H, W, 3] what it should be, RGB in [0, 1].
        reduction: over the clips of the batch. The official code takes the "sum", so that the size of its gradient
            grows with the batch on each device.
    """
    per_clip = (image - video).square().flatten(1).mean(dim=1)
    return per_clip.sum() if reduction == "sum" else per_clip.mean()
