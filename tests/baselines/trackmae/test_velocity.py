"""A motion head can learn the velocity of a sliding clip with `units` and `patch+mean`, but not with `patch`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.checkpoint import Trained, load_model
from vgmae_baselines.trackmae.motion_head import MotionHead
from vgmae_baselines.trackmae.network import TrackMAE
from vgmae_baselines.trackmae.pretrain import PretrainConfig, Pretraining
from vgmae_baselines.trackmae.targets.motion import Norm, motion_targets
from vgmae_baselines.trackmae.tracker import TrackMAEConfig, TrackMAETracker

from tests.baselines.trackmae.sliding import NETWORK, Sliding, Velocity, batch, clip
from tests.shared.configured import changed, configured
from vgmae_bench.errors import UsageError
from vgmae_bench.models.frames import prepare_clips
from vgmae_bench.types import Queries

VELOCITY = (2, -1)
CLOSE = 0.5
"""Pixels per frame within which a velocity counts as recovered."""


def config(norm: Norm) -> PretrainConfig:
    settings = {"spatial_target": "none", "mask_ratio": 0.7, "mask_type": "random", "motion_norm": norm}
    return configured(PretrainConfig, **vars(NETWORK), **settings)


@cache
def overfitted(norm: Norm, told: Velocity = VELOCITY, steps: int = 120) -> Pretraining:
    """The recipe after training on one clip, with new masks in each step, and a teacher with this velocity."""
    recipe = Pretraining(config(norm), Sliding(told))
    model = recipe.network
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(steps):
        loss, _ = recipe(batch(VELOCITY, (2 * step, 2 * step + 1)), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    return recipe


def velocity(model: TrackMAE, trained: Trained) -> Tensor:
    """Velocities in pixels per frame [M, 2] that the motion head predicts for points that stay inside."""
    start = torch.tensor([[4.0, 28.0], [9.3, 17.0], [16.0, 26.1]])
    with torch.no_grad():
        tracks = MotionHead(model, trained).track(prepare_clips(clip(VELOCITY)[None]), start)
    speed: Tensor = (tracks.xy[:, -1] - start) / (tracks.xy.shape[1] - 1)
    return speed


@pytest.mark.parametrize("norm", ["units", "patch+mean", "none"])
def test_the_velocity_of_an_overfitted_clip_is_recovered(norm: Norm, tmp_path: Path) -> None:
    recipe = overfitted(norm)
    wrong = (velocity(recipe.network, recipe.config.targets) - torch.tensor(VELOCITY)).norm(dim=1)
    assert wrong.max() < CLOSE

    recipe.export(tmp_path / "weights.safetensors", None)
    tracker = TrackMAETracker(TrackMAEConfig(), tmp_path / "weights.safetensors", "cpu", seed=0)
    queries = Queries(np.array([0]), np.array([[9.3, 17.0]]))
    moved = tracker.track(clip(VELOCITY).numpy(), queries).xy[0, :7] - queries.xy[0]
    np.testing.assert_allclose(moved, np.arange(7)[:, None] * np.array(VELOCITY), atol=7 * CLOSE)


def test_patch_normalised_targets_do_not_depend_on_the_velocity() -> None:
    settings = changed(config("patch"), motion_var_floor=0.0)  # as in the official code
    recipes = [Pretraining(settings, Sliding(told)) for told in [(2, -1), (-5.5, 3.25), (0, 0)]]
    for recipe in recipes:
        tracks = recipe.tracks_per_tubelet(batch(VELOCITY))
        assert tracks is not None
        assert (motion_targets(*tracks, NETWORK.patch_size, settings.targets).values == 0).all()


def test_patch_normalised_training_does_not_depend_on_the_velocity() -> None:
    """With teachers of different velocities, training gives bit-identical networks. They cannot know the velocity."""
    settings = changed(config("patch"), motion_visibility_weight=False)
    ends = []
    for told in [(2, -1), (0, 0), (1, 2)]:
        recipe = Pretraining(settings, Sliding(told))
        model = recipe.network
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for step in range(5):
            recipe(batch(VELOCITY, (step,)), step)[0].backward()
            optimizer.step()
            optimizer.zero_grad()
        ends.append(torch.cat([value.detach().flatten() for value in model.parameters()]))
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])


def test_the_velocity_cannot_be_recovered_from_patch(tmp_path: Path) -> None:
    recipe = overfitted("patch")
    model = recipe.network
    read_as_if = Trained(motion_norm="units", mask_ratio=0.7)
    wrong = (velocity(model, read_as_if) - torch.tensor(VELOCITY)).norm(dim=1)
    assert wrong.min() > CLOSE
    assert velocity(model, read_as_if).norm(dim=1).max() < CLOSE  # it learned its target: nothing moves

    recipe.export(tmp_path / "weights.safetensors", None)
    assert load_model(tmp_path / "weights.safetensors").trained == recipe.config.targets
    with pytest.raises(UsageError, match="neither their mean nor their size") as refused:
        TrackMAETracker(TrackMAEConfig(), tmp_path / "weights.safetensors", "cpu", seed=0)
    assert "motion_norm=units" in refused.value.try_
    assert recipe.tracker("cpu") is None
