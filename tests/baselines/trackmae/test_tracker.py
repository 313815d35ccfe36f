"""Tracking by the motion head: passes, lattice, chaining, visibility, and errors."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae import SPEC, VIDEOMAE
from vgmae_baselines.trackmae import tracker as trackers
from vgmae_baselines.trackmae.checkpoint import CLASSIFIER, Trained, load_model, save_model
from vgmae_baselines.trackmae.features import EncoderFeatures
from vgmae_baselines.trackmae.motion_head import MotionHead, turns
from vgmae_baselines.trackmae.network import SIZES, Classifier, Heads, TrackMAE
from vgmae_baselines.trackmae.targets.masking import shown_tubes
from vgmae_baselines.trackmae.targets.motion import CHANNELS, MotionConfig, Norm, motion_targets, upsample
from vgmae_baselines.trackmae.teachers.teacher import grid_points
from vgmae_baselines.trackmae.tracker import TrackMAEConfig, TrackMAETracker, VideoMAETracker

from tests.baselines.trackmae.sliding import ENCODER, NETWORK
from tests.shared.configured import configured
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.features import CorrespondenceConfig, CorrespondenceTracker
from vgmae_bench.models.weights_file import save_weights
from vgmae_bench.training.clips.sources import calibration_clip
from vgmae_bench.types import Queries

SIZE, FRAMES = NETWORK.image_size, 7
"""Frames of a window that are tracked: up to the first of the last tubelet."""


@pytest.fixture(autouse=True)
def _small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", NETWORK)


class Oracle(TrackMAE):  # type: ignore[misc]  # the package is not typed for those who import it
    """Predicts the exact targets of a fixed motion: the step in x grows with y, the step in y is constant."""

    def __init__(self, trained: MotionConfig) -> None:
        super().__init__(NETWORK, Heads(0, CHANNELS[trained.motion_norm]))
        self.trained = trained
        self.asked: list[Tensor] = []

    def predict_motion(self, video: Tensor, mask: Tensor) -> Tensor:
        self.asked.append(mask)
        side = NETWORK.grid * (1 if self.trained.upsample_tracks else 2)
        start = grid_points(SIZE, SIZE, side)[None, :, None]
        xy = start + torch.arange(4)[:, None] * 2 * velocity(start)
        values = motion_targets(xy, torch.ones(xy.shape[:3], dtype=torch.bool), 8, self.trained).values
        predicted: Tensor = values[mask][None]
        return predicted


def velocity(xy: Tensor) -> Tensor:
    return torch.stack([xy[..., 1] / 16, torch.full_like(xy[..., 1], -0.5)], dim=-1)


def nothing() -> Tensor:
    return torch.zeros(1, 3, 8, SIZE, SIZE)


@pytest.mark.parametrize("upsampled", [False, True])
def test_points_move_like_the_lattice_around_them(upsampled: bool) -> None:
    trained = Trained(motion_norm="units", mask_ratio=0.7, upsample_tracks=upsampled)
    # Interpolated positions start elsewhere than the points that were tracked: corner to corner.
    start = torch.tensor([[10.0, 12.0], [25.3, 7.1]])
    found = MotionHead(Oracle(trained), trained).track(nothing(), start)
    frames = torch.arange(FRAMES)[:, None]
    torch.testing.assert_close(found.xy, start[:, None] + frames * velocity(start)[:, None], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.spread, torch.zeros(2, FRAMES), atol=1e-3, rtol=0)


def test_the_lattice_of_interpolated_tracks_begins_at_the_first_patchs_centre() -> None:
    fine = upsample(grid_points(SIZE, SIZE, NETWORK.grid)[None, :, None])[0, :, 0]
    assert fine[0].tolist() == [4, 4] and fine[-1].tolist() == [28, 28]


def test_patch_and_mean_is_tracked_by_its_mean() -> None:
    trained = Trained(motion_norm="patch+mean", mask_ratio=0.7)
    found = MotionHead(Oracle(trained), trained).track(nothing(), torch.tensor([[10.0, 12.0]]))
    assert (found.xy[0, -1, 1] - 12) / 6 == pytest.approx(-0.5, abs=1e-4)
    assert (found.xy[0, -1, 0] - 10) / 6 == pytest.approx(12 / 16, abs=0.15)  # four points of a patch move alike


@pytest.mark.parametrize("mask_ratio", [0.3, 0.5, 0.8, 0.9])
def test_every_tube_is_visible_in_one_pass_with_the_training_mask_ratio(mask_ratio: float) -> None:
    for config in (NETWORK, SIZES["base"]):
        groups = turns(config, mask_ratio)
        assert torch.cat(groups).sort().values.tolist() == list(range(config.tubes))
        wanted = min(shown_tubes(config.tubes, mask_ratio), config.tubes / 2)
        assert wanted / 2 <= max(map(len, groups)) <= wanted
    trained = Trained(mask_ratio=mask_ratio)
    oracle = Oracle(trained)
    MotionHead(oracle, trained).field(nothing())
    masks = torch.cat(oracle.asked).view(-1, 4, 16)
    assert (masks == masks[:, :1]).all()  # whole tubes
    assert ((~masks[:, 0]).sum(dim=0) == 1).all()


def test_disagreeing_passes_give_a_large_spread() -> None:
    trained = Trained(mask_ratio=0.7)
    oracle = Oracle(trained)
    original = oracle.predict_motion
    oracle.predict_motion = lambda video, mask: original(video, mask) * len(oracle.asked)  # type: ignore[method-assign]
    field = MotionHead(oracle, trained).field(nothing())
    assert (field.spread[0] == 0).all() and (field.spread[1:] > 0).all()
    assert (field.spread[3] > field.spread[1]).all()


def saved(path: Path, norm: Norm = "units", heads: Heads | None = None) -> Path:
    torch.manual_seed(0)
    network = TrackMAE(NETWORK, heads or Heads(NETWORK.patch_values, CHANNELS[norm]))
    save_model(path, network, Trained(motion_norm=norm, mask_ratio=0.7), None)
    return path


def frames(count: int = 12, height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


QUERIES = Queries(np.array([0, 3, 11, 3]), np.array([[10, 10], [50.5, 5], [30.2, 20.7], [3, 39]]))


@pytest.mark.parametrize("settings", [{}, {"cycle_threshold": None}, {"spread_threshold": None}])
def test_clips_longer_than_a_window_are_chained(settings: dict[str, Any], tmp_path: Path) -> None:
    tracker = TrackMAETracker(configured(TrackMAEConfig, **settings), saved(tmp_path / "w.safetensors"), "cpu", seed=0)
    tracks = tracker.track(frames(), QUERIES)
    assert tracks.xy.shape == (4, 12, 2) and np.isfinite(tracks.xy).all()
    assert (tracks.xy[np.arange(4), QUERIES.frame] == QUERIES.xy).all()
    assert tracks.visible[np.arange(4), QUERIES.frame].all()
    inside = ((tracks.xy >= 0) & (tracks.xy < (60, 40))).all(axis=-1)
    assert (tracks.visible <= inside).all()
    for row in range(4):
        alone = tracker.track(frames(), QUERIES[row : row + 1])
        np.testing.assert_allclose(alone.xy[0], tracks.xy[row], atol=1e-4)
        np.testing.assert_array_equal(alone.visible[0], tracks.visible[row])


def test_a_long_clip_is_followed_at_the_right_speed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trained = Trained(motion_norm="units", mask_ratio=0.7)
    weights = saved(tmp_path / "w.safetensors")
    tracker = TrackMAETracker(configured(TrackMAEConfig, cycle_threshold=None), weights, "cpu", seed=0)
    monkeypatch.setattr(tracker, "_head", MotionHead(Oracle(trained), trained))
    query = Queries(np.array([2]), np.array([[5.0, 40.0]]))
    found = tracker.track(frames(20, 64, 64), query)  # twice the network's size
    np.testing.assert_allclose(found.xy[0, 2:, 1], 40 - np.arange(18), atol=1e-3)
    assert found.visible[0, 2:].all()


def test_points_that_do_not_return_are_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The oracle moves points in the same direction in the reversed clip. They miss their start by 48 of 256 pixels."""
    trained, clip = Trained(motion_norm="units", mask_ratio=0.7), frames(7, 32, 32)
    query = Queries(np.array([0]), np.array([[5.0, 28.0]]))
    for threshold, expected in ((20.0, False), (400.0, True)):
        tracker = TrackMAETracker(
            configured(TrackMAEConfig, cycle_threshold=threshold), saved(tmp_path / "w.safetensors"), "cpu", 0
        )
        monkeypatch.setattr(tracker, "_head", MotionHead(Oracle(trained), trained))
        assert tracker.track(clip, query).visible[0, 1] == expected


def test_random_weights_depend_on_the_seed_alone_and_say_so() -> None:
    one, same, other = (TrackMAETracker(TrackMAEConfig(), None, "cpu", seed) for seed in (1, 1, 2))
    assert one.note == "random weights"
    found = [tracker.track(frames(), QUERIES).xy for tracker in (one, same, other)]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_weights_that_cannot_track_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(UsageError, match="standardised"):
        TrackMAETracker(TrackMAEConfig(), saved(path, "patch"), "cpu", seed=0)
    head = configured(TrackMAEConfig, readout="motion-head")
    classifier = Classifier(ENCODER, 3)
    save_weights(tmp_path / "c", classifier.state_dict(), CLASSIFIER, {"network": ENCODER, "classes": 3})
    for make in (
        lambda: TrackMAETracker(head, saved(path, heads=Heads(NETWORK.patch_values, 0)), "cpu", seed=0),
        lambda: VideoMAETracker(head, None, "cpu", seed=0),
        lambda: TrackMAETracker(head, tmp_path / "c", "cpu", seed=0),
    ):
        with pytest.raises(WeightsError, match="no motion head") as refused:
            make()
        assert "readout=features" in refused.value.try_
    with pytest.raises(WeightsError, match="no readout for tracking"):
        TrackMAETracker(configured(TrackMAEConfig, readout="readout"), saved(path), "cpu", seed=0)
    with pytest.raises(UsageError, match="layer must be"):
        TrackMAETracker(configured(TrackMAEConfig, readout="features", layer=9), saved(path), "cpu", seed=0)
    with pytest.raises(UsageError, match="points_per_batch"):
        configured(TrackMAEConfig, points_per_batch=0)
    with pytest.raises(UsageError, match="stitch"):
        configured(TrackMAEConfig, stitch=0)
    with pytest.raises(UsageError, match="cycle_threshold"):
        configured(TrackMAEConfig, cycle_threshold=0)


@pytest.mark.parametrize("settings", [{}, {"layer": 1, "final_norm": False}, {"stitch": 1, "propagation": "both"}])
def test_features_need_no_training(settings: dict[str, Any], tmp_path: Path) -> None:
    """All settings reach the tracker by features."""
    path, calibration = saved(tmp_path / "w.safetensors"), {"calibration_clips": 1}
    config = configured(TrackMAEConfig, readout="features", **calibration, **settings)
    found = TrackMAETracker(config, path, "cpu", seed=0).track(frames(), QUERIES)
    of_encoder = {name: settings[name] for name in settings if name in ("layer", "final_norm")}
    others = {name: settings[name] for name in settings if name not in of_encoder}
    encoder = EncoderFeatures(load_model(path).encoder, **of_encoder)
    alone = CorrespondenceTracker(
        encoder, CorrespondenceConfig(**calibration, **others), "cpu", calibration_clip, backward=False
    )
    expected = alone.track(frames(), QUERIES)
    np.testing.assert_array_equal(found.xy, expected.xy)
    np.testing.assert_array_equal(found.visible, expected.visible)


def test_without_a_motion_head_points_are_tracked_by_features(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors", heads=Heads(NETWORK.patch_values, 0))
    for readout in ("auto", "features"):
        config = configured(TrackMAEConfig, readout=readout, calibration_clips=0)
        found = VideoMAETracker(config, path, "cpu", seed=0).track(frames(), QUERIES)
        assert found.xy.shape == (4, 12, 2)
    assert (
        VideoMAETracker(configured(TrackMAEConfig, calibration_clips=0), None, "cpu", seed=0).note == "random weights"
    )


def test_the_specs_refer_to_existing_objects() -> None:
    assert SPEC.tracker.endswith(TrackMAETracker.__name__) and VIDEOMAE.tracker.endswith(VideoMAETracker.__name__)
    documented = f"{TrackMAEConfig.__doc__} {CorrespondenceConfig.__doc__}"
    assert all(re.search(rf"\b{field.name}[:,]", documented) for field in fields(TrackMAEConfig))
    assert replace(TrackMAEConfig(), size="small").size in trackers.SIZES
