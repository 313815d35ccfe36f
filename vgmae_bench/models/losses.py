"""Losses that several methods share: rebuilding clips, and answering queries."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def reconstruction_loss(
    image: Tensor, video: Tensor, reduction: Literal["mean", "sum"], mask: Tensor | None = None
) -> Tensor:
    """Mean squared error of rendered clips, over every pixel of every frame (arXiv 2512.22489) or over some.

    Arguments:
        image: [B, T, H, W, 3] rendered RGB.
        video: [B, T, H, W, 3] what it should be, RGB in [0, 1].
        reduction: over the clips of the batch. The official code takes the "sum", so that the size of its gradient
            grows with the batch on each device.
        mask: bool [B, T, H, W], the pixels that count, or None for all of them, hidden from the encoder or not, as in paper
            and official code. A clip without any contributes 0.
    """
    errors = (image - video).square().mean(dim=-1)
    per_clip = errors.flatten(1).mean(dim=1) if mask is None else _mean_of_clips(errors, mask)
    return per_clip.sum() if reduction == "sum" else per_clip.mean()


class ReadoutLoss(NamedTuple):
    """Parts of the loss of the readout, each a mean over clips.

    Attributes:
        position: Huber, of coordinates in units of the frame.
        occlusion: binary cross-entropy.
    """

    position: Tensor
    occlusion: Tensor

    @property
    def total(self) -> Tensor:
        """100 times the one and 0.1 times the other, as in the official code of Video-GMAE."""
        return 100 * self.position + 0.1 * self.occlusion


def readout_loss(
    positions: Tensor,
    occlusion: Tensor,
    xy: Tensor,
    occluded: Tensor,
    valid: Tensor,
    *,
    delta: float = 1.0,
    hidden_positions: bool = True,
) -> ReadoutLoss:
    """How far answers of the readout are from the truth.

    Huber's function over δ, averaged over points, frames and both coordinates of a clip, then over clips. With the official
    δ = 1 it is half the square of all errors there are in units of the frame. A clip without points contributes 0.

    Arguments:
        positions: [B, N, T, 2] in units of the frame.
        occlusion: [B, N, T], probabilities of being occluded.
        xy: [B, N, T, 2], the true positions.
        occluded: bool [B, N, T], the truth.
        valid: bool [B, N], False for points that are padding.
        delta: δ, in units of the frame.
        hidden_positions: whether positions count where points are occluded. They do in the official code, in data sets
            annotated by hand such places are guesses.
    """
    everywhere = valid[:, :, None].expand_as(occluded)
    with torch.autocast(positions.device.type, enabled=False):
        far = F.huber_loss(positions.float(), xy, reduction="none", delta=delta).mean(dim=-1) / delta
        wrong = F.binary_cross_entropy(occlusion.float(), occluded.float(), reduction="none")
    return ReadoutLoss(
        position=_mean_of_clips(far, everywhere if hidden_positions else everywhere & ~occluded).mean(),
        occlusion=_mean_of_clips(wrong, everywhere).mean(),
    )


def _mean_of_clips(values: Tensor, counted: Tensor) -> Tensor:
    """Of values [B, ...], the mean of those that count, for each clip: [B]; 0 where none does."""
    values, counted = values.flatten(1), counted.flatten(1)
    return (values * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
