"""What Video-GMAE is trained to do: rebuild the clip, with two ways to hold its Gaussians back; and its readout: track."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.splatting import project
from vgmae_bench.videogmae.gaussians.gaussians import Camera, Gaussians
from vgmae_bench.videogmae.gaussians.motion import NEAR
from vgmae_bench.videogmae.gaussians.registration import register
from vgmae_bench.videogmae.sizes import NetworkConfig


def reconstruction_loss(
    image: Tensor, video: Tensor, reduction: Literal["mean", "sum"], mask: Tensor | None = None
) -> Tensor:
    """Mean squared error of rendered clips, over every pixel of every frame (arXiv 2512.22489) or over some.

    Arguments:
        image: [B, T, H, W, 3] rendered RGB.
        video: [B, T, H, W, 3] what it should be, RGB in [0, 1].
        reduction: over the clips of the batch. The official code takes the "sum", so that the size of its gradient
            grows with the batch on each device.
        mask: bool [B, T, H, W], the pixels that count (`pixel_mask`), or None for all of them, hidden from the encoder
            or not, as in paper and official code. A clip without any contributes 0.
    """
    errors = (image - video).square().mean(dim=-1)
    per_clip = errors.flatten(1).mean(dim=1) if mask is None else _mean_of_clips(errors, mask)
    return per_clip.sum() if reduction == "sum" else per_clip.mean()


def pixel_mask(mask: Tensor, config: NetworkConfig) -> Tensor:
    """The pixels of masked tokens: bool [B, L] in raster order (`Encoded.mask`) to bool [B, T, H, W]."""
    patches = mask.view(len(mask), config.num_frames, config.grid, config.grid)
    return patches.repeat_interleave(config.patch_size, dim=2).repeat_interleave(config.patch_size, dim=3)


def displacement_penalty(gaussians: Gaussians) -> Tensor:
    """Mean length of the steps that means take from frame to frame, world units; T >= 2.

    What the official setting `deltas_reg_weight` is meant to weight. There the slice that should pick the means' deltas
    cuts the batch instead, which leaves nothing of batches of up to 256 clips: the term is always 0.
    """
    lengths: Tensor = gaussians.means.diff(dim=1).norm(dim=-1)
    return lengths.mean()


def neighbourhood_smoothness(gaussians: Gaussians, neighbours: int = 4) -> Tensor:
    """Mean difference between the steps of a Gaussian and of those nearest to it in frame 0, world units; T >= 2.

    An addition of ours. Differences are lengths, not squares: surfaces that part may part. Which Gaussians are near is
    decided by positions in 3-D and gets no gradient.

    Arguments:
        neighbours: how many of the nearest count, fewer than there are Gaussians.
    """
    first = gaussians.means[:, 0].detach()
    apart = torch.cdist(first, first)
    apart.diagonal(dim1=1, dim2=2).fill_(torch.inf)  # nobody is a neighbour of itself
    near = apart.topk(neighbours, dim=-1, largest=False).indices
    steps = gaussians.means.diff(dim=1).transpose(1, 2)
    of_near = steps[torch.arange(len(near), device=near.device)[:, None, None], near]
    lengths: Tensor = (of_near - steps[:, :, None]).norm(dim=-1)
    return lengths.mean()


def registration_distance(gaussians: Gaussians, camera: Camera, video: Tensor) -> Tensor:
    """How far Gaussians move in the image from where a registration of the frames takes what is there: pixels, Huber's δ = 0.5.

    An addition of ours: a better gradient for motion than that of the reconstruction, which is blind beyond the reach of a
    Gaussian. Both want the same, and neither needs more than the pixels.

    Arguments:
        video: [B, T, S, S, 3] RGB in [0, 1], square, as `camera` sees it.
    """
    projection = project(gaussians.means, gaussians.quats[:, None], gaussians.scales[:, None], *camera, near=NEAR)
    centres = projection.means2d
    with torch.no_grad():
        wanted = register(video, round(centres.shape[2] ** 0.5)).follow(centres[:, 0])
    moved, wanted = centres[:, 1:] - centres[:, :1], wanted[:, 1:] - wanted[:, :1]
    return F.huber_loss(moved, wanted, delta=0.5) / 0.5


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
