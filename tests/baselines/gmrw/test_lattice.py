"""Positions of cells: as the network's strides imply, or as the released code assumes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from vgmae_baselines.gmrw.flow import FlowMap, FlowRows
from vgmae_baselines.gmrw.lattice import Lattice
from vgmae_baselines.gmrw.readout import Readout, cell_positions

SIZES = [((64, 48), 1), ((40, 60), 2), ((33, 50), 1), ((24, 24), 4)]


def lattice(size: tuple[int, int], upsample: int, **settings: Any) -> Lattice:
    return Lattice(size, (-(-size[0] * upsample // 4), -(-size[1] * upsample // 4)), upsample, **settings)


def positions(size: tuple[int, int]) -> Tensor:
    """Also outside of the frame."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(200, 2, generator=generator) * (torch.tensor([size[1], size[0]]) + 20) - 10


@pytest.mark.parametrize("convention", ["raster", "index"])
@pytest.mark.parametrize(("size", "upsample"), SIZES)
def test_cells_are_at_every_fourth_pixel_of_the_enlarged_frame(size: Any, upsample: int, convention: Any) -> None:
    """The centre of a cell is found by enlarging an image of pixel indices like a frame."""
    grid = lattice(size, upsample, pixel_convention=convention)
    height, width = size
    column = torch.arange(float(width)).expand(1, 1, height, width)
    row = torch.arange(float(height))[:, None].expand(1, 1, height, width)
    enlarged = F.interpolate(
        torch.cat([column, row], dim=1), (height * upsample, width * upsample), mode="bilinear", align_corners=True
    )
    centres = enlarged[0, :, ::4, ::4].flatten(1).T + (0.5 if convention == "raster" else 0.0)
    cells, shares = grid.taps(centres)
    weight = torch.zeros(len(centres), len(centres)).scatter_add(1, cells.T, shares.T)
    torch.testing.assert_close(weight, torch.eye(len(centres)), atol=1e-4, rtol=0)
    if upsample == 1:
        assert grid.scale == (4, 4)


@pytest.mark.parametrize(("size", "upsample"), SIZES)
def test_flow_between_cell_centres_is_linear(size: Any, upsample: int) -> None:
    grid = lattice(size, upsample)
    cells = cell_positions(*grid.grid).float()
    flow = FlowMap(torch.stack([1 + 0.5 * cells[:, 0], 0.25 * cells[:, 1] - cells[:, 0]], dim=1), grid)
    xy = positions(size)
    last = (torch.tensor(grid.grid[::-1]) - 1).float()
    at = ((xy - 0.5) / torch.tensor(grid.scale)).clamp(min=torch.zeros(2), max=last)  # beyond the last cell, it counts
    expected = torch.stack([1 + 0.5 * at[:, 0], 0.25 * at[:, 1] - at[:, 0]], dim=1) * torch.tensor(grid.scale)
    torch.testing.assert_close(flow(xy), expected, atol=1e-3, rtol=1e-5)


def test_a_shift_of_three_cells_is_twelve_pixels() -> None:
    """This holds for the enlarged frame. The released code assumes it for the frame too, whose cells are 4.05 pixels apart."""
    values = torch.tensor([3.0, 0.0]).expand(64 * 64, 2)
    at = torch.tensor([[100.0, 100.0]])
    assert FlowMap(values, Lattice((256, 256), (64, 64)))(at).tolist() == [[12, 0]]
    assert FlowMap(values, Lattice((256, 256), (64, 64), flow_grid="official"))(at).tolist() == [[12, 0]]
    enlarged = FlowMap(values, Lattice((128, 128), (64, 64), upsample=2))(at)
    torch.testing.assert_close(enlarged, torch.tensor([[12 * 127 / 255, 0]]))


@pytest.mark.parametrize("convention", ["raster", "index"])
@pytest.mark.parametrize(("size", "upsample"), SIZES)
def test_official_flow_is_interpolated_at_pixels_then_between_them(size: Any, upsample: int, convention: Any) -> None:
    grid = lattice(size, upsample, flow_grid="official", pixel_convention=convention)
    cells = torch.randn(grid.grid[0] * grid.grid[1], 2, generator=torch.Generator().manual_seed(1))
    height, width = size
    image = cells.T.reshape(1, 2, *grid.grid)
    pixels = F.interpolate(image, size, mode="bilinear", align_corners=True)
    pixels = pixels * torch.tensor([width / grid.grid[1], height / grid.grid[0]]).view(1, 2, 1, 1)
    xy = positions(size)
    index = xy - 0.5 if convention == "raster" else xy
    normalised = index / torch.tensor([width - 1, height - 1]) * 2 - 1
    expected = F.grid_sample(pixels, normalised[None, None], align_corners=True, padding_mode="border")[0, :, 0].T
    torch.testing.assert_close(FlowMap(cells, grid)(xy), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("flow_grid", ["cell_center", "official"])
@pytest.mark.parametrize(("size", "upsample"), SIZES)
def test_flow_from_rows_equals_flow_from_the_map(size: Any, upsample: int, flow_grid: Any) -> None:
    grid = lattice(size, upsample, flow_grid=flow_grid)
    fa, fb = 2 * torch.randn(2, 1, 8, *grid.grid, generator=torch.Generator().manual_seed(2))
    xy = positions(size)
    whole = FlowMap.read(fa, fb, 2.0, Readout(), grid)(xy)
    torch.testing.assert_close(FlowRows(fa, fb, 2.0, Readout(max_bytes=999), grid)(xy), whole, atol=1e-3, rtol=1e-4)
    assert FlowRows(fa, fb, 2.0, Readout(), grid)(xy[:0]).shape == (0, 2)


def test_a_frame_of_one_pixel() -> None:
    for flow_grid in ("cell_center", "official"):
        flow = FlowMap(torch.ones(1, 2), Lattice((1, 1), (1, 1), flow_grid=flow_grid))  # type: ignore[arg-type]
        assert flow(torch.tensor([[0.5, 0.5]])).isfinite().all()
