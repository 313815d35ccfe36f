"""Losses of several methods: reconstruction of clips, and position and occlusion of queried points."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

DISTANCE_FLOOR = 1e-3
"""Added to squared distances (in patches²) before the root, so that the loss is smooth below about 0.03 patches."""


def reconstruction_loss(
    image: Tensor, video: Tensor, reduction: Literal["mean", "sum"], mask: Tensor | None = None
) -> Tensor:
    """Mean squared error of rendered clips, over all pixels of all frames (arXiv 2512.22489) or over masked pixels.

    Arguments:
        image: [B, T, H, W, 3], rendered RGB.
        video: [B, T, H, W, 3], the target, RGB in [0, 1].
        reduction: over the clips of the batch. The official code uses "sum", so its gradient grows with the batch size per
            device.
        mask: bool [B, T, H, W], True for pixels that count; None: all pixels count, hidden or not, as in paper and official
            code. A clip without such pixels contributes 0.
    """
    errors = (image - video).square().mean(dim=-1)
    per_clip = errors.flatten(1).mean(dim=1) if mask is None else _mean_of_clips(errors, mask)
    return per_clip.sum() if reduction == "sum" else per_clip.mean()


class ReadoutLoss(NamedTuple):
    """Terms of the readout's loss, each a mean over clips.

    Attributes:
        position: loss of the coordinates; see `readout_loss`.
        occlusion: binary cross-entropy.
        total: their weighted sum, which training minimises.
    """

    position: Tensor
    occlusion: Tensor
    total: Tensor


PositionLoss = Literal["huber", "distance"]


def readout_loss(
    positions: Tensor,
    occlusion: Tensor,
    xy: Tensor,
    occluded: Tensor,
    valid: Tensor,
    *,
    kind: PositionLoss = "huber",
    delta: float = 1.0,
    grid: int = 1,
    hidden_positions: bool = True,
) -> ReadoutLoss:
    """The loss of the readout's predictions.

    The loss is averaged over the points and frames of a clip, then over clips. A clip without points contributes 0.

    Arguments:
        positions: [B, N, T, 2], (x, y) in units of the frame.
        occlusion: [B, N, T], predicted probabilities of occlusion.
        xy: [B, N, T, 2], the true positions.
        occluded: bool [B, N, T], true occlusion.
        valid: bool [B, N], False for padding.
        kind: "huber": Huber loss of each coordinate divided by δ, times 100, as in the official code of Video-GMAE. With its
            δ = 1 this is 50 times the squared error. "distance" (ours): √(e² + 10⁻³), with the error e in patches.
        delta: δ of "huber", in units of the frame.
        grid: patches along a side of the frame, for "distance".
        hidden_positions: positions of occluded points count, as in the official code. In datasets annotated by hand, these
            positions are guesses.
    """
    everywhere = valid[:, :, None].expand_as(occluded)
    counted = everywhere if hidden_positions else everywhere & ~occluded
    with torch.autocast(positions.device.type, enabled=False):
        if kind == "huber":
            far = F.huber_loss(positions.float(), xy, reduction="none", delta=delta).mean(dim=-1) / delta
        else:
            far = (((positions.float() - xy) * grid).square().sum(dim=-1) + DISTANCE_FLOOR).sqrt()
        wrong = F.binary_cross_entropy(occlusion.float(), occluded.float(), reduction="none")
    position, occlusion = _mean_of_clips(far, counted).mean(), _mean_of_clips(wrong, everywhere).mean()
    return ReadoutLoss(position, occlusion, (100 if kind == "huber" else 1) * position + 0.1 * occlusion)


def _mean_of_clips(values: Tensor, counted: Tensor) -> Tensor:
    """The mean of the counted values [B, ...] of each clip: [B]; 0 if none counts."""
    values, counted = values.flatten(1), counted.flatten(1)
    return (values * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
