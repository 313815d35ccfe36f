from __future__ import annotations

import torch

from vgmae_bench.data.synth.texture import LEVELS, TILE_SIZE, TILES, look_up, texture_bank

CPU = torch.device("cpu")


def texels(tile: int, x: torch.Tensor, y: torch.Tensor, footprint: float) -> torch.Tensor:
    return look_up(texture_bank(0, "test", CPU), torch.full_like(x, tile), x, y, torch.full_like(x, footprint))


def whole_tile(tile: int, footprint: float) -> torch.Tensor:
    """A texture [3, size, size] with a unique value in every texel."""
    y, x = torch.meshgrid(*[torch.arange(TILE_SIZE, dtype=torch.float32) + 0.5] * 2, indexing="ij")
    return texels(tile, x.flatten(), y.flatten(), footprint).view(3, TILE_SIZE, TILE_SIZE)


def test_texels_are_standardised_and_tiles_differ() -> None:
    tiles = torch.stack([whole_tile(tile, 1.0) for tile in range(TILES)])
    torch.testing.assert_close(tiles.mean(dim=(2, 3)), torch.zeros(TILES, 3), atol=1e-3, rtol=0)
    torch.testing.assert_close(tiles.std(dim=(2, 3)), torch.ones(TILES, 3), atol=1e-3, rtol=0)
    likeness = torch.corrcoef(tiles.flatten(1)) - torch.eye(TILES)
    assert likeness.abs().max() < 0.5


def test_levels_are_averages() -> None:
    finest = whole_tile(3, 1.0)
    for level in range(1, LEVELS):
        size = 2**level
        centres = torch.arange(TILE_SIZE // size) * size + size / 2
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        coarse = texels(3, x.flatten(), y.flatten(), float(size)).view(3, TILE_SIZE // size, -1)
        torch.testing.assert_close(coarse, torch.nn.functional.avg_pool2d(finest, size), atol=2e-3, rtol=0)


def test_tiles_have_no_seams() -> None:
    x = torch.linspace(-20, 20, 401)
    y = torch.full_like(x, 77.3)
    for footprint in (0.3, 3.0, 100.0):
        values = texels(5, x, y, footprint)
        torch.testing.assert_close(values, texels(5, x + 3 * TILE_SIZE, y - TILE_SIZE, footprint), atol=2e-3, rtol=0)
        assert values.diff(dim=1).abs().max() < 0.3


def test_blur_changes_smoothly_with_distance() -> None:
    footprint = torch.logspace(-1, 2, 600)
    place = torch.full_like(footprint, 100.2)
    values = look_up(texture_bank(0, "test", CPU), torch.zeros_like(place), place, place, footprint)
    assert values.diff(dim=1).abs().max() < 0.1


def test_splits_and_seeds_have_textures_of_their_own() -> None:
    banks = [texture_bank(0, "test", CPU), texture_bank(0, "train", CPU), texture_bank(1, "test", CPU)]
    for other in banks[1:]:
        assert (banks[0] - other).abs().mean() > 0.3
