"""Random Gaussians in front of Video-GMAE's camera (90 degrees, scene moved to z = 8), drawn from a seed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Scene(NamedTuple):
    """Arguments of `render` but for the size: the cloud [*, N, …] and the camera."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    features: Tensor
    viewmat: Tensor
    K: Tensor


def make(
    *batch: int, count: int, channels: int, width: int, height: int, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Scene:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*batch, *shape, generator=generator, dtype=torch.float64).to(dtype)

    viewmat = torch.eye(4, dtype=dtype)
    viewmat[2, 3] = 8
    f = width / 2
    K = torch.tensor([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]], dtype=dtype)
    means, quats, scales = 5 * torch.tanh(normal(count, 3)), normal(count, 4), torch.sigmoid(normal(count, 3))
    opacities = torch.sigmoid(2 * normal(count))
    opacities[..., ::5] = 0.9995  # above max_alpha: clamped near their middle
    return Scene(means, quats, scales, opacities, normal(count, channels), viewmat, K)
