"""Regularisers of Video-GMAE's Gaussians, in addition to the reconstruction loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.videogmae.gaussians.gaussians import Camera, Gaussians
from vgmae_bench.videogmae.gaussians.motion import projected_centres
from vgmae_bench.videogmae.gaussians.registration import register


def displacement_penalty(gaussians: Gaussians) -> Tensor:
    """Mean length of the steps of the means from frame to frame, in world units; T >= 2.

    The official setting `deltas_reg_weight` should weight this term. But the official code cuts the batch instead of the means'
    deltas. Nothing is left of batches of up to 256 clips, so its term is always 0.
    """
    lengths: Tensor = gaussians.means.diff(dim=1).norm(dim=-1)
    return lengths.mean()


def neighbourhood_smoothness(gaussians: Gaussians, neighbours: int = 4) -> Tensor:
    """Mean difference between the step of a Gaussian and those of its nearest neighbours in frame 0, in world units; T >= 2.

    Our addition. Differences are lengths, not squares, so that surfaces can separate. Neighbours are found by 3-D position,
    without gradient.

    Arguments:
        neighbours: number of nearest neighbours, less than the number of Gaussians.
    """
    first = gaussians.means[:, 0].detach()
    apart = torch.cdist(first, first)
    apart.diagonal(dim1=1, dim2=2).fill_(torch.inf)  # a Gaussian is not its own neighbour
    near = apart.topk(neighbours, dim=-1, largest=False).indices
    steps = gaussians.means.diff(dim=1).transpose(1, 2)
    of_near = steps[torch.arange(len(near), device=near.device)[:, None, None], near]
    lengths: Tensor = (of_near - steps[:, :, None]).norm(dim=-1)
    return lengths.mean()


def registration_distance(gaussians: Gaussians, camera: Camera, video: Tensor) -> Tensor:
    """Distance between the Gaussians' motion and a registration of the frames: pixels, Huber loss with δ = 0.5.

    Our addition. The reconstruction loss has no useful gradient for motion beyond the size of a Gaussian; this loss has. Both
    have the same goal, and both need only pixels.

    Arguments:
        video: [B, T, S, S, 3], RGB in [0, 1], square, as `camera` sees it.
    """
    centres = projected_centres(gaussians.means, gaussians, camera)
    with torch.no_grad():
        wanted = register(video, round(centres.shape[2] ** 0.5)).follow(centres[:, 0])
    moved, wanted = centres[:, 1:] - centres[:, :1], wanted[:, 1:] - wanted[:, :1]
    return F.huber_loss(moved, wanted, delta=0.5) / 0.5
