"""Untrained weights that begin near what training would have to find first: additions of ours, for small data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from vgmae_bench.models.nn import Block

CORRELATION = 0.9
"""Between pixels that are neighbours in space or time, and between the colours of one, where patches are whitened."""
NOISE = 0.01
"""Share of white noise in them, so that what they hardly contain is not blown up."""


def similar_attention(blocks: nn.ModuleList) -> None:
    """Make the queries of every head equal its keys, both an isometry of a part of the features.

    Tokens then look at tokens that are like them, in content and place, which is what matching frames needs; random
    queries and keys take long to find it (Trockman and Kolter, Mimetic Initialization, arXiv 2305.09828).
    """
    for block in blocks:
        assert isinstance(block, Block)
        qkv, heads = block.attn.qkv, block.attn.heads
        query, key, _ = qkv.weight.detach().chunk(3)  # parts of the parameter, not copies
        for head in query.chunk(heads):
            nn.init.orthogonal_(head)
        key.copy_(query)


def whitened_patches(projection: nn.Conv2d | nn.Conv3d) -> None:
    """Make a patch or tubelet embedding show all of a patch's content in equal strength.

    Neighbouring pixels are alike. A random projection therefore tells mostly a patch's mean colour, and little of the
    fine differences that motion makes. This one is an isometry of whitened patches, those of a stationary first-order
    Markov image.
    """
    if projection.weight.is_meta:  # a network that is made to be loaded into
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
