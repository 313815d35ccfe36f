"""What the spatial decoder learns to predict: the pixels of a token, or features of a frozen image network."""

from __future__ import annotations

from torch import Tensor

from vgmae_bench.models.nn import rows

from ..network import tubelets
from ..sizes import EncoderConfig

EPS = 1e-6
"""Added to deviations."""


def pixel_targets(video: Tensor, tokens: Tensor, config: EncoderConfig, *, normalise: bool = True) -> Tensor:
    """The pixels of some tokens, pixel by pixel (frame, row, column), colours innermost.

    Arguments:
        video: float [B, 3, T, H, W] RGB in [0, 1].
        tokens: int64 [B, n].
        normalise: every token and colour to mean 0 and deviation 1 (unbiased) over its pixels, as MAE does.

    Returns:
        float [B, n, t * p * p * 3].
    """
    pixels = rows(tubelets(video, config), tokens).unflatten(2, (3, -1))
    if normalise:
        pixels = standardise(pixels, dim=3)
    targets: Tensor = pixels.transpose(2, 3).flatten(2)
    return targets


def standardise(values: Tensor, dim: int) -> Tensor:
    """Mean 0 and deviation 1 (unbiased) along one dimension."""
    return (values - values.mean(dim, keepdim=True)) / (values.std(dim, keepdim=True) + EPS)
