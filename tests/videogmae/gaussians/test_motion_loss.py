from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.videogmae.gaussians.scenes import blurred_noise
from vgmae_bench.errors import UsageError
from vgmae_bench.models.losses import reconstruction_loss
from vgmae_bench.videogmae.gaussians.blur import blurred
from vgmae_bench.videogmae.gaussians.gaussians import Activation, Gaussians, activate, fixed_camera, render_video
from vgmae_bench.videogmae.gaussians.motion_loss import CarryError, MotionLoss, reconstruct
from vgmae_bench.videogmae.positions import START_DEPTH, start_on_grid

SIZE, COUNT = 32, 64
CAMERA = fixed_camera(SIZE, SIZE, like=torch.zeros(1))
PIXEL = START_DEPTH / (SIZE / 2)
"""Length of a pixel on the plane that Gaussians start on, world units."""


def texture(shift: float = 0.0) -> Tensor:
    """[S, S, 3], moved to the right by whole pixels."""
    wide = blurred_noise(SIZE, SIZE + 16, seed=1)
    return wide[:, 8 - round(shift) : 8 - round(shift) + SIZE]


def start(frames: int = 2, shift: Tensor | None = None) -> Gaussians:
    """Gaussians on the grid, coloured like the texture's first frame, moved by `shift` pixels a frame, with gradients."""
    raw = start_on_grid(COUNT)[None, None].repeat(1, frames, 1, 1)
    raw[:, 1:] = 0
    colours = torch.nn.functional.adaptive_avg_pool2d(texture().permute(2, 0, 1), 8).flatten(1).T
    raw[0, 0, :, 10:13] = colours.clamp(0.02, 0.98).logit()
    gaussians = activate(raw, Activation(residuals="position"))
    if shift is not None:
        moved = torch.zeros(frames, 1, 3)
        moved[1:, 0, :2] = shift * PIXEL
        gaussians = gaussians._replace(means=gaussians.means + moved)
    return Gaussians(*(values.clone().requires_grad_() for values in gaussians))


def loss(gaussians: Gaussians, target: Tensor, how: MotionLoss) -> Tensor:
    return reconstruct(gaussians, target, CAMERA, how, "over", "torch")


def video(shift: float = 1.0) -> Tensor:
    return torch.stack([texture(), texture(shift)])[None]


def test_without_changes_it_is_the_reconstruction_loss_of_the_paper() -> None:
    gaussians, target = start(), video()
    plain = reconstruction_loss(render_video(gaussians, CAMERA, "over", "torch"), target, "mean")
    torch.testing.assert_close(loss(gaussians, target, MotionLoss()), plain)
    assert MotionLoss().plain and not MotionLoss(blurs=(1.0,)).plain


def test_later_frames_train_motion_only() -> None:
    target = video()
    first_alone = start(frames=1)
    reconstruction_loss(render_video(first_alone, CAMERA, "over", "torch"), target[:, :1], "mean").backward()
    gaussians = start()
    loss(gaussians, target, MotionLoss(motion_only=True)).backward()
    for name in ("scales", "opacities"):  # half of the frames, half of the gradient
        got, wanted = getattr(gaussians, name).grad, getattr(first_alone, name).grad
        torch.testing.assert_close(got, wanted / 2, atol=1e-7, rtol=1e-4)
    assert gaussians.colors.grad is not None and not gaussians.colors.grad[:, 1].any()
    assert gaussians.means.grad is not None and gaussians.means.grad[:, 1].any()
    both = start()
    loss(both, target, MotionLoss()).backward()
    assert not torch.allclose(both.scales.grad, gaussians.scales.grad, atol=1e-7)  # type: ignore[arg-type]


def test_preconditioned_gradients_point_along_the_motion_whatever_the_contrast() -> None:
    """The texture's left half has three tenths of the contrast. It moves to the right everywhere."""
    fade = torch.ones(SIZE)
    fade[: SIZE // 2] = 0.3
    target = 0.5 + (video() - 0.5) * fade[None, None, None, :, None]
    pulls = {}
    for name, how in {
        "plain": MotionLoss(carry_error=True),
        "newton": MotionLoss(carry_error=True, preconditioning=0.01),
    }.items():
        gaussians = start()
        with torch.no_grad():
            half = (torch.arange(COUNT) % 8 < 4)[:, None]
            gaussians.colors.copy_(torch.where(half, 0.5 + 0.3 * (gaussians.colors - 0.5), gaussians.colors))
        loss(gaussians, target, how).backward()
        assert gaussians.means.grad is not None
        across = -gaussians.means.grad[0, 1, :, 0].view(8, 8)
        pulls[name] = across[1:-1, 1:3].mean() / across[1:-1, 5:7].mean()
    assert abs(pulls["plain"]) < 0.12
    assert 0.4 < pulls["newton"] < 2.5


def test_errors_that_move_with_the_scene_do_not_count() -> None:
    """Gaussians cannot show the texture's details. If they move with it, the error is that of frame 0."""
    target, right, still = video(2.0), start(shift=torch.tensor([2.0, 0.0])), start()
    first = reconstruction_loss(render_video(right, CAMERA, "over", "torch")[:, :1], target[:, :1], "mean") / 2
    carry = MotionLoss(carry_error="fixed")
    moved, stayed = (float(loss(gaussians, target, carry).detach() - first.detach()) for gaussians in (right, still))
    plain = float((loss(right, target, MotionLoss()) - first).detach())
    assert moved < 0.3 * plain and moved < 0.3 * stayed


def test_a_step_against_the_gradient_is_a_step_along_the_motion() -> None:
    """With the paper's loss, it hardly is. Carried errors and gradients of neighbours change this."""
    shares = {}
    ways: tuple[tuple[CarryError, bool], ...] = (("off", False), ("fixed", False), ("fixed", True), ("moving", True))
    for carry, together in ways:
        gaussians = start()
        how = MotionLoss(True, together, preconditioning=0.3, carry_error=carry, blurs=(5.0, 2.4))
        loss(gaussians, video(1.0), how).backward()
        assert gaussians.means.grad is not None
        inner = -gaussians.means.grad[0, 1].view(8, 8, 3)[1:-1, 1:-1]
        assert not inner[..., 2].any()
        shares[carry, together] = (inner[..., 0] > inner[..., 1].abs()).float().mean().item()
    assert shares["moving", True] >= shares["fixed", True] > 0.9 > shares["fixed", False] > shares["off", False] + 0.1


def test_the_carried_error_has_a_gradient_of_motion_only_if_it_is_moving() -> None:
    """All Gaussians are grey. Only the carried error shows the motion."""
    slopes = []
    carries: tuple[CarryError, ...] = ("fixed", "moving")
    for carry in carries:
        gaussians = start()
        with torch.no_grad():
            gaussians.colors.fill_(0.5)
            gaussians.opacities.fill_(0.01)
        loss(gaussians, video(1.0), MotionLoss(carry_error=carry, blurs=(2.4,))).backward()
        assert gaussians.means.grad is not None
        slopes.append(-gaussians.means.grad[0, 1, :, 0].view(8, 8)[1:-1, 1:-1])
    assert (slopes[1] > 0).float().mean() > 0.9
    assert slopes[1].mean() > 20 * slopes[0].mean().abs()


def test_blur_keeps_constants_and_spreads_a_point() -> None:
    even = torch.full((1, 2, 9, 9, 3), 0.3)
    torch.testing.assert_close(blurred(even, 1.5), even)
    point = torch.zeros(1, 1, 21, 21, 1)
    point[0, 0, 10, 10] = 1
    spread = blurred(point, 2.0)[0, 0, :, :, 0]
    assert spread.sum().item() == pytest.approx(1, abs=1e-5)
    offsets = torch.arange(21) - 10.0
    assert (spread.sum(dim=0) * offsets.square()).sum().item() == pytest.approx(4, rel=0.02)
    assert blurred(point, 0.0) is point


def test_impossible_settings_are_refused() -> None:
    for wrong in (replace(MotionLoss(), preconditioning=0.1), MotionLoss(blurs=(0.0, 2.0))):
        assert not wrong.plain
    with pytest.raises(UsageError, match="preconditioning"):
        MotionLoss(preconditioning=-0.1)
    with pytest.raises(UsageError, match="blurs"):
        MotionLoss(blurs=(-1.0,))
