"""The texture bank of synthetic clips: seamless patterns, each in several sizes.

A face shows a rotated, shifted piece of one tile. It mixes the tile's three channels into its own colours. A small bank thus
gives endless different surfaces, and any batch of scenes reads from one image. The sizes are a mip pyramid (Williams,
Pyramidal Parametrics, SIGGRAPH 1983): a pixel that spans many texels reads from a level at which it spans about one.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

TILES = 16
TILE_SIZE = 256
LEVELS = 6


@lru_cache(maxsize=4)
def texture_bank(seed: int, split: str, device: torch.device) -> Tensor:
    """float32 [1, 3, height, width]: one row of tiles per level. Each channel has mean 0 and standard deviation 1.

    A tile of level l has TILE_SIZE / 2^l texels per side, and a margin of one texel that wraps around.
    """
    rng = np.random.default_rng([seed, *split.encode()])
    tiles = torch.from_numpy(np.stack([_pattern(rng, tile) for tile in range(TILES)]))
    width = TILES * (TILE_SIZE + 2)
    rows = []
    for _ in range(LEVELS):
        row = F.pad(tiles, (1, 1, 1, 1), mode="circular").permute(1, 2, 0, 3).flatten(2)
        rows.append(F.pad(row, (0, width - row.shape[2])))
        tiles = F.avg_pool2d(tiles, 2)
    return torch.cat(rows, dim=1)[None].to(device)


def look_up(bank: Tensor, tile: Tensor, x: Tensor, y: Tensor, footprint: Tensor) -> Tensor:
    """Texture values [3, P] at texels (x, y) [P] of tiles [P], for pixels that span `footprint` [P] texels.

    Interpolation is bilinear within a level, and linear between the two levels whose texel sizes enclose the footprint.
    """
    level = torch.log2(footprint).clamp(0, LEVELS - 1)
    fine = level.floor()
    coarse = (fine + 1).clamp(max=LEVELS - 1)
    x, y = torch.remainder(x, TILE_SIZE), torch.remainder(y, TILE_SIZE)
    places = []
    for each in (fine, coarse):
        scale = torch.exp2(-each)
        size = TILE_SIZE * scale + 2
        above = 2 * TILE_SIZE * (1 - scale) + 2 * each  # rows of the larger levels, a geometric series
        places.append(torch.stack([tile * size + 1 + x * scale, above + 1 + y * scale], dim=-1))
    extent = torch.tensor([bank.shape[3], bank.shape[2]], device=bank.device)
    grid = torch.stack(places)[None] * (2 / extent) - 1  # from -1 to 1 over the whole bank
    first, second = F.grid_sample(bank, grid, mode="bilinear", align_corners=False)[0].unbind(1)
    return torch.lerp(first, second, level - fine)


def _pattern(rng: np.random.Generator, tile: int) -> np.ndarray:
    """float32 [3, size, size]: multi-octave noise, plus stripes, checks, blobs or bands (by tile number), plus fine spots."""
    # Cycles per texel of every coefficient of `rfft2`.
    cycles = np.hypot(np.fft.fftfreq(TILE_SIZE)[:, None], np.fft.rfftfreq(TILE_SIZE))
    frequency = np.maximum(cycles, 1 / TILE_SIZE)
    clouds = _noise(rng, frequency ** -rng.uniform(0.9, 1.4))
    blobs = _noise(rng, _ring(frequency, rng.uniform(0.02, 0.04)))
    spots = _noise(rng, _ring(frequency, rng.uniform(0.08, 0.16)))
    y, x = np.mgrid[:TILE_SIZE, :TILE_SIZE] * (2 * np.pi / TILE_SIZE)
    a, b = rng.integers(3, 9, 2)  # whole waves per tile, so that it is seamless
    bend = rng.uniform(0.2, 1.2) * clouds
    figure = (
        np.sin(a * x + b * y + bend),
        np.sin(a * x + bend) * np.sin(b * y - bend),
        blobs,
        np.sin(3 * clouds + rng.uniform(0, 2 * np.pi)),
    )[tile % 4]
    edged = np.tanh(rng.uniform(2, 5) * _standard(figure))
    return np.stack([clouds, _standard(edged), _standard(np.tanh(2 * spots - 1))]).astype(np.float32)


def _noise(rng: np.random.Generator, spectrum: np.ndarray) -> np.ndarray:
    """Seamless noise [size, size] with the given amplitude spectrum, mean 0 and standard deviation 1."""
    white = np.fft.rfft2(rng.standard_normal((TILE_SIZE, TILE_SIZE)))
    return _standard(np.fft.irfft2(white * spectrum, s=(TILE_SIZE, TILE_SIZE)))


def _ring(frequency: np.ndarray, centre: float) -> np.ndarray:
    """A band of frequencies, about a third of an octave wide."""
    return np.asarray(np.exp(-(((frequency - centre) / (0.3 * centre)) ** 2)))


def _standard(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / values.std())
