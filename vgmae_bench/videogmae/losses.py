"""What Video-GMAE is trained to do: rebuild the clip; and two ways, if wanted, to hold its Gaussians back."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vgmae_bench.videogmae.gaussians import Gaussians
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
    errors = (image - video).square().mean(dim=-1).flatten(1)
    if mask is None:
        per_clip = errors.mean(dim=1)
    else:
        counted = mask.flatten(1)
        per_clip = (errors * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
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
