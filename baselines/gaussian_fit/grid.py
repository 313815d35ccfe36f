"""Initial Gaussians for fitting without a network: on a grid in front of the camera, with the colours of the frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from vgmae_bench.videogmae.gaussians.gaussians import SCENE_DEPTH, Gaussians

MARGIN = 2
"""Rows of Gaussians outside each border of the frame, for content that will enter."""
OVERLAP = 0.6
"""Standard deviation of a Gaussian, in units of the grid spacing."""
OPACITY = 0.95


def grid(video: Tensor, across: int) -> Gaussians:
    """Static Gaussians (B = 1) for a window [T, H, W, 3] of RGB in [0, 1]: `across`² in the frame, plus a margin.

    They are in the plane through the scene's origin, where the frame is 2 · SCENE_DEPTH world units wide.
    """
    width = 2 * SCENE_DEPTH
    ticks = (torch.arange(-MARGIN, across + MARGIN, device=video.device) + 0.5) / across - 0.5
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    means = torch.stack([x, y, torch.zeros_like(x)], dim=-1).flatten(0, 1) * width
    colors = interpolate(video[:1].permute(0, 3, 1, 2), (across, across), mode="area")
    colors = pad(colors, (MARGIN,) * 4, mode="replicate")[0].permute(1, 2, 0).flatten(0, 1)
    frames, count = len(video), len(means)
    return Gaussians(
        means=means.expand(1, frames, count, 3),
        scales=means.new_full((1, count, 3), OVERLAP * width / across),
        quats=means.new_tensor([1.0, 0.0, 0.0, 0.0]).expand(1, count, 4),
        opacities=means.new_full((1, count), OPACITY),
        colors=colors.expand(1, frames, count, 3),
    )
