from __future__ import annotations

import pytest
import torch

from tests.videogmae.gaussians.scenes import blobs
from vgmae_bench.splatting import project
from vgmae_bench.videogmae.gaussians.gaussians import (
    Activation,
    Residuals,
    activate,
    composite,
    fixed_camera,
    render_video,
)

SATURATED = 20.0


def _outputs(seed: int = 0, frames: int = 3) -> torch.Tensor:
    return torch.randn(2, frames, 5, 14, generator=torch.Generator().manual_seed(seed))


def test_attributes_lie_in_their_ranges() -> None:
    gaussians = activate(10 * _outputs(), Activation(scale_factor=0.5))
    assert gaussians.means[:, 0].abs().max() <= 5
    assert gaussians.means.diff(dim=1).abs().max() <= 0.5 + 1e-6
    assert 0 <= gaussians.scales.min() <= gaussians.scales.max() <= 0.5
    torch.testing.assert_close(gaussians.quats.norm(dim=-1), torch.ones(2, 5))
    for values in (gaussians.opacities, gaussians.colors):
        assert 0 <= values.min() <= values.max() <= 1


def test_later_rows_change_only_means_and_colours() -> None:
    x, changed = _outputs(), _outputs()
    changed[:, 1:, :, 3:10] += 1
    changed[:, 1:, :, 13] += 1
    for before, after in zip(activate(x, Activation()), activate(changed, Activation()), strict=True):
        assert torch.equal(before, after)


def test_without_deltas_every_row_has_its_own_means() -> None:
    x = _outputs()
    assert torch.equal(activate(x, Activation(mean_deltas=False)).means, 5 * x[..., :3].tanh())


@pytest.mark.parametrize(
    ("residuals", "moves", "recolours"),
    [("both", True, True), ("position", True, False), ("colour", False, True), ("none", False, False)],
)
def test_only_selected_attributes_change_after_frame_0(residuals: Residuals, moves: bool, recolours: bool) -> None:
    full, held = activate(_outputs(), Activation()), activate(_outputs(), Activation(residuals=residuals))
    assert torch.equal(held.means, full.means if moves else full.means[:, :1].expand_as(full.means))
    assert torch.equal(held.colors, full.colors if recolours else full.colors[:, :1].expand_as(full.colors))


def test_cumulative_colours_add_up_in_logits() -> None:
    x = torch.full((1, 3, 1, 14), 0.5)
    colors = activate(x, Activation(rgb_mode="cumulative")).colors
    torch.testing.assert_close(colors[0, :, 0, 0], torch.tensor([0.5, 1.0, 1.5]).sigmoid())


@pytest.mark.parametrize(("depth", "pixels"), [(3.0, 18.7), (5.0, 11.2), (8.0, 7.0), (13.0, 4.3)])
def test_largest_displacement_at_each_depth(depth: float, pixels: float) -> None:
    """A saturated delta moves a Gaussian by 112 px · 0.5 / z at 224 pixels."""
    x = torch.zeros(1, 2, 1, 14)
    x[0, 0, 0, 2] = torch.atanh(torch.tensor((depth - 8) / 5).clamp(-1 + 1e-7, 1 - 1e-7))
    x[0, 1, 0, 0] = SATURATED
    gaussians = activate(x, Activation())
    camera = fixed_camera(224, 224, like=x)
    shape = (gaussians.quats[:, None], gaussians.scales[:, None])
    centres = project(gaussians.means, *shape, camera.viewmat, camera.K, 224, 224).means2d
    assert (centres[0, 1, 0, 0] - centres[0, 0, 0, 0]).item() == pytest.approx(pixels, abs=0.05)


def test_the_vertical_focal_length_of_wide_frames() -> None:
    camera = fixed_camera(40, 48, like=torch.zeros(1))
    expected = torch.tensor([[24.0, 0, 24], [0, 28.8, 20], [0, 0, 1]])
    torch.testing.assert_close(camera.K, expected)


def test_composites_on_white() -> None:
    """A Gaussian covers half of the white background. The official code halves its colour once more."""
    gaussians = blobs(torch.tensor([[8.0, 8.0]]), torch.zeros(1, 2), size=16, sigma=500.0, opacity=0.5)
    gaussians = gaussians._replace(colors=torch.tensor([1.0, 0.2, 0.0]).view(1, 1, 1, 3))
    camera = fixed_camera(16, 16, like=gaussians.means)
    for mode, expected in (("over", [1.0, 0.6, 0.5]), ("official", [0.75, 0.55, 0.5])):
        image = render_video(gaussians, camera, mode, "torch")  # type: ignore[arg-type]  # a literal
        torch.testing.assert_close(image[0, 0, 8, 8], torch.tensor(expected), rtol=0, atol=1e-3)
    nothing = gaussians._replace(opacities=torch.zeros(1, 1))
    assert (render_video(nothing, camera, "over", "torch") == 1).all()


def test_composites_agree_where_alpha_is_0_or_1() -> None:
    color = torch.rand(2, 4, 3, generator=torch.Generator().manual_seed(1))
    alpha = torch.tensor([0.0, 1.0])[:, None].expand(2, 4)
    premultiplied = color * alpha[..., None]
    assert torch.equal(composite(premultiplied, alpha, "official"), composite(premultiplied, alpha, "over"))
