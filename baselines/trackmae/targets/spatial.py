"""Targets of the spatial decoder: the pixels of a token. `clip_tower` has those from CLIP."""

from __future__ import annotations

from torch import Tensor

from vgmae_bench.models.nn import rows

from ..network import tubelets
from ..sizes import EncoderConfig

EPS = 1e-6
"""Added to standard deviations before division."""


def pixel_targets(video: Tensor, tokens: Tensor, config: EncoderConfig, *, normalise: bool = True) -> Tensor:
    """The pixels of some tokens, in the order frame, row, column, colour.

    Arguments:
        video: float [B, 3, T, H, W] RGB in [0, 1].
        tokens: int64 [B, n].
        normalise: standardise each token and colour to mean 0 and (unbiased) standard deviation 1, as in MAE.

    Returns:
        float [B, n, t * p * p * 3].
    """
    pixels = rows(tubelets(video, config), tokens).unflatten(2, (3, -1))
    if normalise:
        pixels = standardise(pixels, dim=3)
    targets: Tensor = pixels.transpose(2, 3).flatten(2)
    return targets


def standardise(values: Tensor, dim: int) -> Tensor:
    """Standardise to mean 0 and (unbiased) standard deviation 1 along one dimension."""
    return (values - values.mean(dim, keepdim=True)) / (values.std(dim, keepdim=True) + EPS)
