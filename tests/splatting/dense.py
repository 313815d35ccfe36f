"""The oracle: every Gaussian at every pixel, by the formulas, in one piece. Also what the benchmark compares with."""

from __future__ import annotations

import torch
from torch import Tensor

from vgmae_bench.splatting import Projection


def pixel_centres(height: int, width: int, dtype: torch.dtype) -> Tensor:
    """[H, W, 2] raster pixels (x, y)."""
    y, x = torch.meshgrid(torch.arange(height, dtype=dtype), torch.arange(width, dtype=dtype), indexing="ij")
    return torch.stack([x, y], dim=-1) + 0.5


def sorted_weights(
    projection: Projection, opacities: Tensor, height: int, width: int, max_alpha: float = 0.999
) -> tuple[Tensor, Tensor]:
    """Weights [H, W, M] of the M visible Gaussians, nearest first, and the indices [M] they have. No leading dimensions."""
    order = torch.argsort(projection.depths, stable=True)
    order = order[projection.visible[order]]
    x, y = pixel_centres(height, width, opacities.dtype).unsqueeze(-2).unbind(-1)
    dx, dy = (pixel - mean for pixel, mean in zip((x, y), projection.means2d[order].unbind(-1), strict=True))
    a, b, c = projection.conics[order].unbind(-1)
    sigma = 0.5 * (a * dx**2 + c * dy**2) + b * dx * dy
    alpha = (opacities[order] * torch.exp(-sigma)).clamp(max=max_alpha)
    alpha = torch.where((alpha < 1 / 255) | (sigma < 0), 0.0, alpha)
    after = torch.cumprod(1 - alpha, dim=-1)
    return torch.where(after > 1e-4, alpha * after / (1 - alpha), 0.0), order


def composite_image(
    projection: Projection, opacities: Tensor, features: Tensor, height: int, width: int, max_alpha: float = 0.999
) -> tuple[Tensor, Tensor]:
    """One image: features [H, W, C] and alpha [H, W]."""
    weights, order = sorted_weights(projection, opacities, height, width, max_alpha)
    return weights @ features[order], weights.sum(-1)
