from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.videogmae.test_network import SMALL, small
from vgmae_bench.splatting import project
from vgmae_bench.videogmae.gaussians.gaussians import Activation, activate, fixed_camera, render_video
from vgmae_bench.videogmae.positions import anchor_points, anchor_table, places, space_table, start_on_grid, time_table


@pytest.mark.parametrize("count", [1, 2, 5, 16, 100, 144, 250])
def test_anchors_are_spread_over_the_frame(count: int) -> None:
    points = anchor_points(count)
    assert points.shape == (count, 2)
    assert points.min() > 0 and points.max() < 1
    np.testing.assert_allclose(points.mean(axis=0), 0.5, atol=0.05 if count > 2 else 0.26)
    assert len(np.unique(points, axis=0)) == count


def test_square_numbers_of_anchors_are_cell_centres_in_raster_order() -> None:
    expected = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    np.testing.assert_allclose(anchor_points(4), expected)


@pytest.mark.parametrize("position", ["interpolate", "pos3d"])
def test_an_anchor_at_a_patch_centre_has_the_code_of_that_patch(position: str) -> None:
    """16 Gaussians on 4 x 4 patches, in every frame."""
    config = replace(SMALL, num_gaussians=16, position=position)  # type: ignore[arg-type]  # by parameter
    queries = places(time_table(config, 32), anchor_table(config, 32))
    table = space_table(config, 32)
    patches = table if position == "pos3d" else places(time_table(config, 32), table[:, 1:])
    torch.testing.assert_close(queries, patches, atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("decoder", ["per_frame", "per_identity"])
def test_a_new_network_starts_on_the_grid_and_stands_still(decoder: str) -> None:
    model = small(num_gaussians=16, decoder=decoder, gaussian_start="grid")
    video = torch.randn(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    gaussians = activate(model(video), Activation())
    camera = fixed_camera(16, 16, like=video)
    shape = (gaussians.quats[:, None], gaussians.scales[:, None])
    seen = project(gaussians.means, *shape, camera.viewmat, camera.K, 16, 16)
    expected = torch.from_numpy(anchor_points(16) * 16).float().expand(2, 3, -1, -1)
    torch.testing.assert_close(seen.means2d, expected, atol=1e-3, rtol=0)
    picture = render_video(gaussians, camera, "over", "torch")
    assert float(picture[:, :, 4:12, 4:12].max()) < 0.75  # grey; the white background is covered


def test_neighbours_start_two_standard_deviations_apart() -> None:
    raw = start_on_grid(64).expand(1, 1, -1, -1)
    gaussians = activate(raw, Activation())
    spacing = gaussians.means[0, 0, 1, 0] - gaussians.means[0, 0, 0, 0]
    torch.testing.assert_close(gaussians.scales, (spacing / 2).expand_as(gaussians.scales))


def test_gradients_reach_every_gaussian_at_the_start() -> None:
    raw = start_on_grid(16).expand(1, 2, -1, -1).clone()
    raw[:, 1] = 0
    raw.requires_grad_()
    image = render_video(activate(raw, Activation()), fixed_camera(16, 16, like=raw), "over", "torch")
    (image - torch.rand(image.shape, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    assert raw.grad is not None
    assert (raw.grad[0, :, :, :3].abs().sum(dim=-1) > 0).all() and (
        raw.grad[0, :, :, 10:13].abs().sum(dim=-1) > 0
    ).all()
