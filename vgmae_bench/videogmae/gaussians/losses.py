"""What holds Video-GMAE's Gaussians back in training, besides the clip that they rebuild."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.splatting import project
from vgmae_bench.videogmae.gaussians.gaussians import Camera, Gaussians
from vgmae_bench.videogmae.gaussians.motion import NEAR
from vgmae_bench.videogmae.gaussians.registration import register


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
