"""Analytic Gaussians in front of the fixed camera."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vgmae_bench.videogmae.gaussians.gaussians import SCENE_DEPTH, Gaussians


def blobs(
    centres: Tensor, steps: Tensor, *, size: int, sigma: float = 2.0, opacity: float = 0.9, depth: float = SCENE_DEPTH
) -> Gaussians:
    """Round Gaussians on a plane that faces the camera.

    Arguments:
        centres: [G, 2] in frame 0, raster pixels of a square frame.
        steps: [T, 2] or [T, G, 2] displacement of frame t from frame 0, pixels.
        size: of the frame, pixels.
        sigma: standard deviation, pixels.
        opacity: of each.
        depth: of the plane before the camera.
    """
    world = depth / (size / 2)  # the length of a pixel there
    steps = steps if steps.ndim == 3 else steps[:, None].expand(-1, len(centres), -1)
    flat = (centres + steps - size / 2) * world
    means = torch.cat([flat, torch.full_like(flat[..., :1], depth - SCENE_DEPTH)], dim=-1)
    count = len(centres)
    return Gaussians(
        means=means[None],
        scales=torch.full((1, count, 3), sigma * world),
        quats=torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(1, count, 4),
        opacities=torch.full((1, count), opacity),
        colors=torch.zeros(1, len(means), count, 3),
    )


def carpet(size: int, spacing: float = 4.0) -> Tensor:
    """[G, 2] centres that cover a frame and a margin around it, slightly off any pixel grid."""
    ticks = torch.arange(-2 * spacing, size + 2 * spacing, spacing) + 0.3
    return torch.cartesian_prod(ticks, ticks)


def uniform(step: tuple[float, float], frames: int, first: int = 0) -> Tensor:
    """[frames, 2] displacements of a uniform motion, from frame `first` of it on."""
    return torch.arange(first, first + frames)[:, None] * torch.tensor(step)


def blurred_noise(height: int, width: int, seed: int = 0) -> Tensor:
    """[height, width, 3] in [0, 1]: a texture whose details are a few pixels wide."""
    noise = torch.rand(1, 3, height + 6, width + 6, generator=torch.Generator().manual_seed(seed))
    for _ in range(3):
        noise = avg_pool2d(noise, 3, stride=1)
    low, high = noise.min(), noise.max()
    return ((noise - low) / (high - low))[0].permute(1, 2, 0)
