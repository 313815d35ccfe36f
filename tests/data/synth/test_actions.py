"""synth-actions: only the order of the frames distinguishes its classes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vgmae_bench.data.synth.actions import CLASSES, COORDINATES, SynthActions, SynthActionsConfig, paths, render_scene
from vgmae_bench.errors import UsageError
from vgmae_bench.files import cache_folder

SMALL = SynthActionsConfig(frames=2, train_scenes=4, test_scenes=2)


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_class_takes_every_place_equally_often(split: str) -> None:
    config = SynthActionsConfig()
    places = paths(config, split).round(9)  # type: ignore[arg-type]
    for coordinate in range(len(COORDINATES)):
        counts = [Counter(places[:, number, :, coordinate].ravel()) for number in range(len(CLASSES))]
        assert len(counts[0]) == config.frames
        assert all(count == counts[0] for count in counts)


def test_a_class_changes_only_its_coordinate_in_its_direction() -> None:
    steps = np.diff(paths(SynthActionsConfig(), "train"), axis=2)
    for number, motion in enumerate(CLASSES.values()):
        moved = {
            name for name, step in zip(COORDINATES, steps[:, number].transpose(2, 0, 1), strict=True) if step.any()
        }
        assert moved == (set() if motion is None else {motion.coordinate})
        if motion is not None:
            signs = Counter(np.sign(steps[:, number, 0, list(COORDINATES).index(motion.coordinate)]).tolist())
            half = SynthActionsConfig().train_scenes // 2
            assert signs == ({motion.way: 2 * half} if motion.way else {-1: half, 1: half})


def test_resting_places_do_not_depend_on_one_another() -> None:
    rest = paths(SynthActionsConfig(frames=8, train_scenes=800), "train")[:, 0, 0]
    assert np.abs(np.corrcoef(rest.T) - np.eye(len(COORDINATES))).max() < 0.12


def test_motion_has_the_direction_of_its_name() -> None:
    """The picture moves against the turn of the camera: to the left if the camera turns right."""
    config = SynthActionsConfig(frames=8, train_scenes=8, test_scenes=8)
    clips = render_scene(config, "train", 1).float().mean(dim=-1).numpy()
    names = list(CLASSES)
    for name, axis, sign in (("pan-left", 1, 1), ("pan-right", 1, -1), ("pan-up", 0, 1), ("pan-down", 0, -1)):
        first, second = clips[names.index(name)][3:5]
        errors = {s: np.abs(np.roll(first, s, axis)[8:-8, 8:-8] - second[8:-8, 8:-8]).mean() for s in range(-5, 6)}
        assert sign * min(errors, key=lambda shift: errors[shift]) > 0, name
    still = clips[names.index("still")]
    assert (still == still[0]).all()
    backwards = clips[names.index("zoom-out")][::-1]
    assert np.array_equal(clips[names.index("zoom-in")], backwards)


def test_clips_are_cached_and_the_same_again() -> None:
    first = SynthActions(SMALL, "test")
    pixels = np.array(first.frames)
    files = list((cache_folder() / "synth-actions").glob(f"{first.digest[:16]}-test.npy"))
    assert len(files) == 1 and pixels.shape == (2 * len(CLASSES), 2, 64, 64, 3)
    assert np.array_equal(pixels[: len(CLASSES)], render_scene(SMALL, "test", 0).numpy())
    files[0].write_bytes(files[0].read_bytes()[:1000])  # as after a full disk
    assert np.array_equal(SynthActions(SMALL, "test").frames, pixels)
    assert SynthActions(SMALL, "train").digest != first.digest
    assert first.labels.tolist() == [*range(len(CLASSES))] * 2 and first.ids[-1] == "test-00001-cross"


@pytest.mark.parametrize("wrong", [{"train_scenes": 12}, {"test_scenes": 0}, {"size": 32}, {"frames": 1}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        SynthActionsConfig(**wrong)
