"""Initial weights that are already close to what training finds first. Our additions, for small data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from vgmae_bench.models.nn import Block

CORRELATION = 0.9
"""Correlations assumed by whitening: of pixels that are neighbours in space or time, and of the colours of a pixel."""
NOISE = 0.01
"""Share of white noise, so that weak components are not amplified too much."""


def similar_attention(blocks: nn.ModuleList) -> None:
    """Make the queries of every head equal to its keys. Both become an isometry of a part of the features.

    Tokens then attend to tokens of similar content and position, as matching of frames requires. Random queries and keys need
    long to learn this (Trockman and Kolter, Mimetic Initialization, arXiv 2305.09828).
    """
    for block in blocks:
        assert isinstance(block, Block)
        qkv, heads = block.attn.qkv, block.attn.heads
        query, key, _ = qkv.weight.detach().chunk(3)  # views of the parameter, not copies
        for head in query.chunk(heads):
            nn.init.orthogonal_(head)
        key.copy_(query)


def whitened_patches(projection: nn.Conv2d | nn.Conv3d) -> None:
    """Initialise a patch or tubelet embedding so that it represents all of a patch's content equally.

    Neighbouring pixels are similar. A random projection thus represents mostly the mean colour of a patch, and hardly the fine
    differences that motion causes. This one is an isometry of whitened patches, for the statistics of a stationary first-order
    Markov image.
    """
    if projection.weight.is_meta:  # a network whose weights will be loaded
        return
    width, colours, *sizes = projection.weight.shape
    covariance = torch.full((colours, colours), CORRELATION, dtype=torch.float64).fill_diagonal_(1)
    for size in sizes:
        steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
        covariance = torch.kron(covariance, torch.from_numpy(CORRELATION**steps))
    variance, components = torch.linalg.eigh(covariance + NOISE * torch.eye(len(covariance)))
    kept = min(width, len(variance))
    whitening = components[:, -kept:] / variance[-kept:].sqrt()
    turn: Tensor = nn.init.orthogonal_(torch.empty(width, kept))
    with torch.no_grad():
        projection.weight.copy_((turn.double() @ whitening.T).view_as(projection.weight))
