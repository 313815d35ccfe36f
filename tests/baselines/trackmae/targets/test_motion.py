"""Motion targets: their content, what normalisation removes, and which of them count."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.targets import motion
from vgmae_baselines.trackmae.targets.motion import CHANNELS, MotionConfig, Norm, Targets, motion_loss, motion_targets
from vgmae_baselines.trackmae.teachers.teacher import grid_points

from vgmae_bench.errors import UsageError

PATCH, GRID, SLOTS = 16, 14, 8
OFFICIAL = MotionConfig(motion_norm="patch", motion_var_floor=0, motion_visibility_weight=False, motion_drop_last=False)
START = grid_points(224, 224, 2 * GRID).double()


def moving(matrix: float, shift: tuple[float, float] = (0, 0)) -> Tensor:
    """[1, P, S, 2]: in each step, a zoom about the centre by this factor, and a shift."""
    steps = torch.arange(SLOTS, dtype=torch.float64)[:, None]
    centre = torch.full((2,), 112.0, dtype=torch.float64)
    xy: Tensor = (START - centre)[:, None] * matrix**steps + centre + steps * torch.tensor(shift)
    return xy[None]


def seen(xy: Tensor) -> Tensor:
    return torch.ones(xy.shape[:3], dtype=torch.bool)


def targets(xy: Tensor, config: MotionConfig) -> Tensor:
    values: Tensor = motion_targets(xy, seen(xy), PATCH, config).values
    return values


def test_patch_normalisation_removes_the_size_of_zooms_and_shifts() -> None:
    reference = targets(moving(1.02), OFFICIAL)
    assert reference.square().mean().sqrt() == pytest.approx(0.866, abs=1e-3)
    for xy in (moving(1.04), moving(1.02, (5, -3))):
        torch.testing.assert_close(targets(xy, OFFICIAL), reference, atol=1e-4, rtol=0)


def test_patch_normalisation_amplifies_noise_without_a_floor() -> None:
    xy = moving(1.0).float() + 0.05 * torch.randn(1, len(START), SLOTS, 2, generator=torch.Generator().manual_seed(0))
    assert targets(xy, OFFICIAL).square().mean().sqrt() == pytest.approx(0.866, abs=1e-3)
    assert targets(xy, replace(OFFICIAL, motion_var_floor=0.25)).square().mean().sqrt() < 0.3
    assert motion_loss(torch.zeros(1, GRID**2 * SLOTS, 8), Targets(targets(xy, OFFICIAL), torch.ones(1, 1568, 8))) == (
        pytest.approx(0.75, abs=1e-3)
    )


def test_the_modes_units_and_none_keep_the_displacement() -> None:
    xy = moving(1.0, (4, -8))
    steps = torch.tensor([4.0, -8]).double().repeat(4).expand(1, GRID**2 * SLOTS, -1)
    torch.testing.assert_close(targets(xy, replace(OFFICIAL, motion_norm="none")), steps)
    torch.testing.assert_close(targets(xy, replace(OFFICIAL, motion_norm="units")), steps / PATCH)


def test_the_mode_patch_and_mean_has_both_targets() -> None:
    xy = moving(1.05, (2, 7))
    both = targets(xy, replace(OFFICIAL, motion_norm="patch+mean"))
    assert both.shape[2] == CHANNELS["patch+mean"]
    torch.testing.assert_close(both[..., :8], targets(xy, OFFICIAL))
    raw = targets(xy, replace(OFFICIAL, motion_norm="none")).unflatten(2, (4, 2))
    torch.testing.assert_close(both[..., 8:], raw.mean(dim=2) / PATCH)


def test_points_and_tokens_are_in_raster_order() -> None:
    """Each point moves by a different number of pixels in x, so that the test can identify it."""
    lattice = torch.arange(16.0)
    xy = torch.zeros(1, 16, 2, 2)
    xy[0, :, 1, 0] = lattice
    values = motion_targets(xy, seen(xy), PATCH, replace(OFFICIAL, motion_norm="none")).values
    assert values[0, :4, ::2].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert (values[..., 1::2] == 0).all()
    torch.testing.assert_close(motion.on_lattice(values.unflatten(2, (4, 2)), 2)[0, 0, 0].flatten(), lattice)


@pytest.mark.parametrize(("norm", "unseen"), [("units", [0, 1]), ("patch", range(8)), ("patch+mean", range(10))])
def test_hidden_steps_have_no_weight(norm: Norm, unseen: list[int]) -> None:
    xy = moving(1.01)
    visible = seen(xy)
    visible[0, 0, 3] = False  # the first point of the first token: its steps from slots 2 and 3
    config = MotionConfig(motion_norm=norm, motion_drop_last=False)
    weights = motion_targets(xy, visible, PATCH, config).weights.unflatten(1, (SLOTS, -1))
    expected = torch.ones(SLOTS, GRID**2, CHANNELS[norm])
    expected[2:4, 0, list(unseen)] = 0
    assert torch.equal(weights[0], expected)
    everything = motion_targets(xy, visible, PATCH, replace(config, motion_visibility_weight=False)).weights
    assert (everything == 1).all()


def test_the_last_step_repeats_the_previous_one_with_its_visibility() -> None:
    xy = moving(1.0, (1, 0))
    xy[:, :, -1] += 5
    visible = seen(xy)
    visible[0, 0, -1] = False
    config = MotionConfig(motion_drop_last=False)
    values, weights = (part.unflatten(1, (SLOTS, -1)) for part in motion_targets(xy, visible, PATCH, config))
    assert torch.equal(values[:, -1], values[:, -2])
    assert torch.equal(weights[:, -1], weights[:, -2]) and not weights.bool().all()
    dropped = motion_targets(xy, seen(xy), PATCH, MotionConfig()).weights.unflatten(1, (SLOTS, -1))
    assert (dropped[:, -1] == 0).all() and (dropped[:, :-1] == 1).all()


def test_interpolated_points_are_visible_if_all_their_sources_are_visible() -> None:
    xy = grid_points(224, 224, GRID)[None, :, None].repeat(1, 1, SLOTS, 1)
    visible = seen(xy)
    visible[0, 0] = False  # the corner
    config = MotionConfig(upsample_tracks=True, motion_drop_last=False)
    weights = motion_targets(xy, visible, PATCH, config).weights[0].unflatten(0, (SLOTS, GRID, GRID))[0]
    assert (weights[0, 0] == 0).all() and (weights[2:, 2:] == 1).all()


def test_the_loss_is_averaged_within_clips_then_over_clips() -> None:
    values, weights = torch.zeros(2, 3, 8), torch.ones(2, 3, 8)
    weights[1, 1:] = 0
    predicted = torch.ones(2, 3, 8)
    predicted[1] = 2
    predicted[1, 1:] = 100  # where there is nothing to learn
    assert motion_loss(predicted, Targets(values, weights)) == (1 + 4) / 2
    assert motion_loss(predicted, Targets(values, torch.zeros(2, 3, 8))) == 0


@pytest.mark.parametrize("norm", ["units", "none", "patch+mean"])
def test_targets_as_pixels_again(norm: Norm) -> None:
    xy = moving(1.0, (3, -2)) if norm == "patch+mean" else moving(1.03, (3, -2))
    config = replace(OFFICIAL, motion_norm=norm, motion_var_floor=0.25)
    steps = motion.in_pixels(targets(xy, config), PATCH, norm)
    torch.testing.assert_close(steps, motion.by_token(motion.displacements(xy)))


def test_impossible_motion_targets_are_refused() -> None:
    with pytest.raises(UsageError, match="standardised"):
        motion.in_pixels(torch.zeros(1, 4, 8), PATCH, "patch")
    with pytest.raises(UsageError, match="motion_var_floor"):
        MotionConfig(motion_var_floor=-1)
    with pytest.raises(ValueError, match="at least two positions"):
        motion.displacements(torch.zeros(1, 4, 1, 2))
