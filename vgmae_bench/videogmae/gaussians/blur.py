"""Blurs clips."""

from __future__ import annotations

import torch
from torch import Tensor

from vgmae_bench.devices import placed


def blurred(video: Tensor, sigma: float) -> Tensor:
    """[B, T, S, S, C]: each frame blurred by a Gaussian of `sigma` pixels, with a repeated border. 0 means no blur."""
    if sigma == 0:
        return video
    # Matrix products are several times faster than convolutions.
    matrix = placed(_matrix, video.shape[2], sigma, device=video.device).to(video)
    planes = video.movedim(-1, 2)
    return (matrix @ (planes @ matrix.mT)).movedim(2, -1)


def _matrix(size: int, sigma: float) -> Tensor:
    """[size, size]: the weight of each pixel of a line in each pixel of the blurred line."""
    reach = min(int(3 * sigma + 1), size - 1)
    taps = torch.arange(-reach, reach + 1)
    kernel = (-(taps / sigma).square() / 2).exp()
    taken = (torch.arange(size)[:, None] + taps).clamp(0, size - 1)
    return torch.zeros(size, size).scatter_add(1, taken, (kernel / kernel.sum()).expand(size, -1))
