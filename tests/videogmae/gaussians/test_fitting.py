from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.videogmae.gaussians.scenes import blobs, carpet, uniform
from tests.videogmae.textures import Affine, colour
from vgmae_bench.config import build
from vgmae_bench.errors import UsageError
from vgmae_bench.videogmae.gaussians.fitting import FitConfig, fit
from vgmae_bench.videogmae.gaussians.gaussians import Gaussians, fixed_camera, render_video
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.switches import PRESETS
from vgmae_bench.videogmae.gaussians.tracking import advect, follow_anchors

SIZE = 32
CONFIG = FitConfig(steps=100, resolution=SIZE, stiffness=(1e5, 3e3))
"""Stiffer than for 1024 Gaussians, to the same effect on the 169 in these frames."""
START = torch.tensor([[10.0, 11.0], [20.5, 9.0], [16.0, 16.0], [9.0, 21.0], [22.0, 22.5]])
PAN = Affine((1.1, -0.6))


def _start(frames: int, steps: Tensor | None = None) -> Gaussians:
    """Gaussians that cover the frame with the texture's colours. They do not move."""
    centres = carpet(SIZE, spacing=2.5)
    steps = torch.zeros(frames, 2) if steps is None else steps
    gaussians = blobs(centres, steps, size=SIZE, sigma=1.5)
    return gaussians._replace(colors=colour(centres).expand_as(gaussians.means))


def _fit(video: Tensor, config: FitConfig = CONFIG, start: Gaussians | None = None, **options: Any) -> Gaussians:
    options = {"guess": "inertia", "backend": "native", **options}
    return fit(_start(len(video)) if start is None else start, video, config, **options)


def _followed(gaussians: Gaussians, start: Tensor = START) -> Tensor:
    """The points, moved by the flow of the Gaussians: [N, T, 2]."""
    camera = fixed_camera(SIZE, SIZE, like=start)
    return advect(read_motion(gaussians, camera, PRESETS["default"], "native"), start, PRESETS["default"]).xy


def _errors(gaussians: Gaussians, motion: Affine) -> Tensor:
    """Pixels [N, T]."""
    frames = gaussians.means.shape[1]
    errors: Tensor = (_followed(gaussians) - motion.positions(START, frames)).norm(dim=-1)
    return errors


@pytest.mark.parametrize(
    "motion",
    [
        PAN,
        Affine((0.0, 0.0), ((0.0, 0.04), (-0.04, 0.0)), (16.0, 16.0)),
        Affine((0.3, 0.2), ((0.03, 0.0), (0.0, 0.02)), (16.0, 16.0)),
    ],
    ids=["pan", "rotation", "zoom"],
)
def test_affine_motion_is_recovered(motion: Affine) -> None:
    video = motion.video(5, SIZE, SIZE)
    at_rest = _errors(_start(5), motion)
    errors = _errors(_fit(video), motion)
    assert at_rest[:, -1].max() > 1.2
    assert errors.max() < 0.4
    assert errors.mean() < 0.15


def test_two_parts_move_apart() -> None:
    """The left half of the texture stands still, the right half moves down."""
    still, falls = Affine((0.0, 0.0)).video(5, SIZE, SIZE), Affine((0.0, 0.8)).video(5, SIZE, SIZE)
    video = torch.cat([still[:, :, : SIZE // 2], falls[:, :, SIZE // 2 :]], dim=2)
    points = torch.tensor([[6.0, 10.0], [6.0, 18.0], [26.0, 10.0], [26.0, 18.0]])
    moved = _followed(_fit(video), points)[:, -1] - points
    expected = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 3.2], [0.0, 3.2]])
    torch.testing.assert_close(moved, expected, rtol=0, atol=0.3)


def test_a_layer_that_moves_over_another_hides_its_points() -> None:
    """The order of depth is given. A red square crosses the texture from the left, 2 pixels per frame."""
    frames, depth = 6, 6.0
    behind, centres = _start(frames), torch.cartesian_prod(torch.arange(-4, 9, 2.0), torch.arange(9, 24, 2.0))
    front = blobs(centres, torch.zeros(frames, 2), size=SIZE, sigma=1.3, opacity=0.99, depth=depth)
    front = front._replace(colors=torch.tensor([0.9, 0.1, 0.1]).expand_as(front.colors))
    layers = Gaussians(
        *(torch.cat([one, other], dim=-1 if one.ndim == 2 else -2) for one, other in zip(front, behind, strict=True))
    )
    moving = blobs(centres, uniform((2.0, 0.0), frames), size=SIZE, sigma=1.3, opacity=0.99, depth=depth)
    truth = layers._replace(means=torch.cat([moving.means, behind.means], dim=-2))
    camera = fixed_camera(SIZE, SIZE, like=truth.means)
    fitted = _fit(render_video(truth, camera, "over", "native")[0], start=layers)
    points = torch.tensor([[14.0, 16.0], [14.0, 28.0], [28.0, 16.0], [4.0, 16.0]])
    tracks = follow_anchors(read_motion(fitted, camera, PRESETS["default"], "native"), points, PRESETS["default"])
    hidden, below, ahead, square = tracks.visible
    assert hidden[0]
    assert not hidden[-1]
    assert below.all()
    assert ahead.all()
    assert square.all()
    moved = tracks.xy[:, -1] - points
    assert moved[3, 0] > 7  # of 10, as nothing but its edges tells how a square of one colour moves
    assert moved[1:3].norm(dim=1).max() < 1


def test_the_first_frame_is_rebuilt_and_the_others_follow() -> None:
    video = PAN.video(4, SIZE, SIZE)
    grey = _start(4)._replace(colors=torch.full((1, 4, len(carpet(SIZE, spacing=2.5)), 3), 0.5))
    camera = fixed_camera(SIZE, SIZE, like=video)

    def error(gaussians: Gaussians) -> Tensor:
        """[T], the error inside the frame, without borders, where new content enters."""
        wrong = render_video(gaussians, camera, "over", "native")[0] - video
        return wrong[:, 6:-6, 6:-6].abs().mean(dim=(1, 2, 3))

    assert error(grey)[0] > 0.1
    errors = error(_fit(video, start=grey))
    assert errors[0] < 0.015
    assert errors.max() < 0.03


def test_a_fit_changes_no_inputs_and_returns_finite_float32() -> None:
    start = _start(3)
    kept = [values.clone() for values in start]
    fitted = _fit(PAN.video(3, SIZE, SIZE), start=start)
    for before, after, values in zip(kept, fitted, start, strict=True):
        assert after.shape == before.shape
        assert after.dtype == torch.float32
        assert torch.isfinite(after).all()
        assert not after.requires_grad
        assert torch.equal(values, before)
    assert torch.equal(fitted.colors, fitted.colors[:, :1].expand_as(fitted.colors))
    assert torch.equal(fitted.means[..., 2], fitted.means[:, :1, :, 2].expand(1, 3, -1))
    torch.testing.assert_close(fitted.quats.norm(dim=-1), torch.ones(fitted.quats.shape[:2]))
    assert (fitted.scales > 0).all()
    assert ((fitted.opacities > 0) & (fitted.opacities < 1)).all()


def test_without_steps_the_gaussians_are_unchanged() -> None:
    start = _start(3)
    assert fit(start, PAN.video(3, SIZE, SIZE), FitConfig(steps=0), guess="given") is start


def test_repeated_calls_give_equal_results() -> None:
    video, quick = PAN.video(3, SIZE, SIZE), replace(CONFIG, steps=10)
    for one, other in zip(_fit(video, quick), _fit(video, quick), strict=True):
        assert torch.equal(one, other)


def test_inference_mode_makes_no_difference() -> None:
    quick = replace(CONFIG, steps=10)
    expected = _fit(PAN.video(3, SIZE, SIZE), quick)
    with torch.inference_mode():
        found = _fit(PAN.video(3, SIZE, SIZE), quick)
        assert torch.equal(found.means, expected.means)


def test_inertia_ignores_the_input_motion() -> None:
    """With "given", the fit uses it and finds a jump that is too large to find otherwise."""
    far = Affine((12.0, 0.0))
    video, leap = far.video(2, SIZE, SIZE), torch.tensor([[0.0, 0.0], [12.0, 0.0]])
    points = START[:, 0] < 18  # the others leave the frame
    assert _errors(_fit(video, start=_start(2, leap), guess="given"), far)[points].max() < 1
    unguided = _fit(video, start=_start(2, leap), guess="inertia")
    assert _errors(unguided, far)[points, 1].min() > 2
    quick = replace(CONFIG, steps=5)
    assert torch.equal(_fit(video, quick, start=_start(2, leap)).means, _fit(video, quick).means)


@pytest.mark.parametrize("shade", [0.0, 1.0])
def test_nothing_moves_in_uniform_frames(shade: float) -> None:
    start = _start(4)
    start = start._replace(colors=torch.full_like(start.colors, shade))
    fitted = _fit(torch.full((4, SIZE, SIZE, 3), shade), start=start)
    assert all(torch.isfinite(values).all() for values in fitted)
    assert (_followed(fitted) - START[:, None]).norm(dim=-1).max() < 0.3


def test_a_flash_or_a_cut_does_not_end_the_tracks() -> None:
    video = PAN.video(5, SIZE, SIZE)
    video[2] = 1.0
    video[4] = Affine((0.0, 0.0)).video(1, SIZE, SIZE)[0].flip(0)
    fitted = _fit(video)
    assert all(torch.isfinite(values).all() for values in fitted)
    assert _errors(fitted, PAN)[:, 1].max() < 0.4  # before


def test_frames_of_another_size_are_squashed() -> None:
    """A step of (2.2, -0.9) in frames of 48 x 64 is one of (1.1, -0.6) in those of 32 x 32."""
    wide = torch.nn.functional.interpolate(PAN.video(4, SIZE, SIZE).permute(0, 3, 1, 2), (48, 64), mode="bicubic")
    fitted = _fit(wide.permute(0, 2, 3, 1).clamp(0, 1))
    assert _errors(fitted, PAN).max() < 0.3


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_windows(frames: int) -> None:
    fitted = _fit(PAN.video(frames, SIZE, SIZE), replace(CONFIG, steps=5))
    assert fitted.means.shape == (1, frames, len(carpet(SIZE, spacing=2.5)), 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1},
        {"resolution": 7},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"stiffness": [], "outlier": []},
        {"stiffness": [10.0]},
        {"stiffness": [10.0, -1.0]},
        {"stiffness": [float("nan"), 1.0]},
        {"outlier": [0.1, 0.0]},
        {"outlier": [0.1, float("nan")]},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        build(FitConfig, wrong, owner="gaussian-fit")


@pytest.mark.gpu
def test_a_fit_on_cuda_follows_too() -> None:
    video = PAN.video(4, SIZE, SIZE)
    start = Gaussians(*(values.cuda() for values in _start(4)))
    fitted = fit(start, video.cuda(), CONFIG, guess="inertia")
    assert fitted.means.is_cuda
    assert _errors(Gaussians(*(values.cpu() for values in fitted)), PAN).max() < 0.25
