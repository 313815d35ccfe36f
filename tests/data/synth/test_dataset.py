from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vgmae_bench.config import build, call_with
from vgmae_bench.data.synth.dataset import Synth
from vgmae_bench.data.synth.scene import SynthConfig
from vgmae_bench.errors import UsageError
from vgmae_bench.types import Clip

SMALL = SynthConfig(height=32, width=48, frames=5, points=12)


def test_a_clip_has_the_shapes_and_types_of_the_protocol() -> None:
    clip = Synth(SMALL).clip("test-00003")
    assert (clip.id, clip.size, clip.num_frames) == ("test-00003", (32, 48), 5)
    assert clip.points.shape == (12, 5, 2) and clip.points.dtype == np.float64
    assert clip.occluded.shape == (12, 5) and clip.occluded.dtype == np.bool_
    assert (~clip.occluded).any(axis=1).all()
    frames = clip.frames()
    assert frames.shape == (5, 32, 48, 3) and frames.dtype == np.uint8


def test_visible_points_lie_in_the_frame_and_hidden_ones_keep_finite_places() -> None:
    clip = Synth(dataclasses.replace(SMALL, speed=3.0, frames=12)).clip("test-00000")
    inside = ((clip.points >= 0) & (clip.points < 1)).all(axis=-1)
    assert inside[~clip.occluded].all() and not inside.all()
    assert np.isfinite(clip.points).all()


def test_the_same_seed_gives_the_same_clip_and_others_differ() -> None:
    def clip(**changes: object) -> Clip:
        data = Synth(build(SynthConfig, {**dataclasses.asdict(SMALL), **changes}, owner="synth"))
        return data.clip(data.ids[0])

    first = clip()
    np.testing.assert_array_equal(first.frames(), clip().frames())
    np.testing.assert_array_equal(first.points, clip().points)
    for other in (clip(split="val"), clip(split="train"), clip(seed=1)):
        assert not np.array_equal(first.points, other.points)
        assert np.abs(first.frames().astype(float) - other.frames()).mean() > 10


def test_ids_count_from_zero() -> None:
    assert Synth(SynthConfig(clips=3)).ids == ("test-00000", "test-00001", "test-00002")
    assert [len(Synth(SynthConfig(split=split)).ids) for split in ("val", "test")] == [30, 60]
    assert Synth(SynthConfig(split="train")).clip("train-987654").id == "train-987654"


def test_every_setting_changes_the_digest() -> None:
    changed: dict[str, object] = {
        "split": "val",
        "clips": 7,
        "height": 64,
        "width": 64,
        "frames": 8,
        "objects": 2,
        "speed": 0.5,
        "points": 5,
        "seed": 9,
    }
    assert changed.keys() == {field.name for field in dataclasses.fields(SynthConfig)}
    digests = {Synth(build(SynthConfig, {name: value}, owner="synth")).digest for name, value in changed.items()}
    digests.add(Synth(SynthConfig()).digest)
    assert len(digests) == len(changed) + 1
    assert Synth(SynthConfig()).digest == Synth(SynthConfig(clips=60)).digest


def test_it_is_built_from_settings() -> None:
    built = call_with(Synth, {"split": "val", "clips": "2"}, owner="synth")
    assert built.product.ids == ("val-00000", "val-00001")
    assert built.product.options == built.settings


@pytest.mark.parametrize(
    "setting",
    [
        {"frames": 0},
        {"height": 8},
        {"width": 31},
        {"split": "dev"},
        {"speed": -1},
        {"speed": float("nan")},
        {"speed": float("inf")},
        {"objects": -1},
        {"points": 0},
        {"clips": 0},
        {"seed": -1},
        {"colour": "red"},
    ],
)
def test_impossible_settings_are_user_errors(setting: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        build(SynthConfig, setting, owner="synth")


def test_motion_and_occlusion_are_of_a_size_that_matters() -> None:
    data = Synth(SynthConfig(points=32))
    hidden, back, still = [], [], []
    for clip_id in data.ids[:12]:
        clip = data.clip(clip_id)
        visible, tracks = ~clip.occluded, clip.tracks()
        first = visible.argmax(axis=1)
        moved = np.linalg.norm(tracks - np.take_along_axis(tracks, first[:, None, None], axis=1), axis=-1)
        asked = visible & (np.arange(clip.num_frames) > first[:, None])
        hidden.append(clip.occluded.mean())
        back.append(np.mean([(np.diff(np.flatnonzero(row)) > 1).any() for row in visible]))
        still.append(np.mean([(moved[asked] < threshold).mean() for threshold in (1, 2, 4, 8, 16)]))
    assert 0.05 < np.mean(hidden) < 0.20
    assert np.mean(back) > 0.02
    assert 0.15 < np.mean(still) < 0.35  # delta_avg of a tracker that never moves
