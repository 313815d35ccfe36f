"""A GMAE that is small enough for fast tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.shared.configured import configured
from vgmae_bench.gmae.checkpoint import save_model
from vgmae_bench.gmae.network import GMAE
from vgmae_bench.gmae.pretrain import PretrainConfig
from vgmae_bench.training.recipe import Batch

TINY = configured(
    PretrainConfig,
    image_size=32,
    patch_size=8,
    num_gaussians=36,
    embed_dim=32,
    depth=1,
    num_heads=2,
    decoder_embed_dim=32,
    decoder_depth=1,
    decoder_num_heads=2,
    query_position="anchored",
    gaussian_start="grid",
    backend="torch",
)


def pictures(count: int = 2, size: int = 32, seed: int = 0) -> Batch:
    """Images of a disc on a ground of another colour, uint8 [count, 1, size, size, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] + 0.5
    found = []
    for _ in range(count):
        middle, colours = rng.uniform(0.3, 0.7, 2) * size, rng.integers(0, 256, (2, 3))
        disc = np.hypot(x - middle[0], y - middle[1]) < 0.25 * size
        found.append(colours[disc.astype(int)])
    return Batch(torch.from_numpy(np.stack(found)[:, None].astype(np.uint8)), tuple(range(count)))


def network(config: PretrainConfig = TINY, seed: int = 0) -> GMAE:
    torch.manual_seed(seed)
    return GMAE(config.network)


def weights_file(path: Path, config: PretrainConfig = TINY) -> Path:
    save_model(path, network(config), config.view, None)
    return path
