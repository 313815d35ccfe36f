"""Computes the compositing weight of every Gaussian at chosen points, without rendering an image."""

from __future__ import annotations

import torch
from torch import Tensor

from vgmae_bench.splatting.projection import ALPHA_MIN, T_STOP, Projection


def weights_at(projection: Projection, opacities: Tensor, xy: Tensor, max_alpha: float = 0.999) -> Tensor:
    """The weight of each Gaussian at each point: w_i = alpha_i · T_i, front to back.

    Formula and thresholds are those of the renderer. At a pixel's centre, the weights are those of the pixel. The function
    is differentiable. Its memory grows with points × Gaussians.

    Arguments:
        projection: [*, N] Gaussians on the image plane.
        opacities: [*, N], in [0, 1].
        xy: [*, P, 2], raster pixels (x, y); the centre of the first pixel is (0.5, 0.5). Points may lie outside the image.
        max_alpha: as in `render`.

    Returns:
        [*, P, N], in the order of the given Gaussians; 0 for culled Gaussians. The sum over N equals the rendered alpha.
    """
    depths = torch.where(projection.visible, projection.depths, torch.inf)
    offset = xy[..., :, None, :] - projection.means2d[..., None, :, :]
    dx, dy = offset.unbind(dim=-1)
    a, b, c = projection.conics[..., None, :, :].unbind(dim=-1)
    sigma = ((a * dx * dx + c * dy * dy) / 2 + b * dx * dy).clamp(min=0)  # only rounding makes it negative
    alpha = torch.where(projection.visible, opacities, 0.0)[..., None, :] * torch.exp(-sigma)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha.clamp(max=max_alpha), 0.0)
    order = torch.argsort(depths, dim=-1, stable=True)[..., None, :].expand(alpha.shape)
    after = torch.cumprod(1 - alpha.gather(-1, order), dim=-1)
    before = torch.cat([torch.ones_like(after[..., :1]), after[..., :-1]], dim=-1)
    light = torch.where(after > T_STOP, before, 0.0)
    return alpha * light.gather(-1, order.argsort(dim=-1))
