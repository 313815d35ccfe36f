"""Gaussian blur of clips."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def blurred(video: Tensor, sigma: float) -> Tensor:
    """[B, T, S, S, C], each frame blurred by a Gaussian of `sigma` pixels, its border repeated; 0: as it is."""
    if sigma == 0:
        return video
    B, T, S, _, C = video.shape
    reach = min(int(3 * sigma + 1), S - 1)
    taps = torch.arange(-reach, reach + 1, dtype=video.dtype, device=video.device)
    kernel = (-(taps / sigma).square() / 2).exp()
    kernel = kernel / kernel.sum()
    planes = video.movedim(-1, 2).reshape(B * T * C, 1, S, S)
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    planes = F.conv2d(F.pad(planes, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))
    return planes.view(B, T, C, S, S).movedim(2, -1)
