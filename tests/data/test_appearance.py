"""Exchanged axes are invisible in fractions of a frame, and visible in the video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.clips import moving_square
from tests.data.toy import save_davis
from tests.shared.plans import plan
from vgmae_bench.data.appearance import misread
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.verify import verify
from vgmae_bench.evaluation.run import execute
from vgmae_bench.types import Clip


def named(clip: Clip, points: np.ndarray, frames: np.ndarray) -> str:
    reading = misread(points, clip.occluded, frames, clip.size)
    return reading.fault if reading else ""


@pytest.mark.parametrize("name", ["warp", "synth"])
def test_only_exchanged_axes_are_reported(name: str) -> None:
    dataset = open_dataset(name, {} if name == "warp" else {"clips": 1})
    for clip_id in dataset.ids:
        clip = dataset.clip(clip_id)
        frames = clip.read()
        assert not named(clip, clip.points, frames)
        assert named(clip, clip.points[..., ::-1], frames) == "x and y look exchanged"
        assert not named(clip, clip.points[:, ::-1], frames)  # wrong in another way
        assert not named(clip, clip.points, np.full_like(frames, 99))  # nothing to be seen
        small = clip.frames((256, 256))
        assert not named(clip, clip.points, small)
        assert named(clip, clip.points[..., ::-1], small) == "x and y look exchanged"


def moving_texture(size: tuple[int, int], num_frames: int = 24) -> tuple[Clip, np.ndarray]:
    """Spots that move by 3 pixels down and 2 to the right in each frame, with 80 points on them."""
    (height, width), rng = size, np.random.default_rng(0)
    spots = rng.integers(0, 256, (height // 4 + 40, width // 4 + 40, 3), dtype=np.uint8)
    texture = np.kron(spots, np.ones((4, 4, 1), np.uint8))
    down, right = (step * (num_frames - np.arange(num_frames)) for step in (3, 2))
    frames = np.stack([texture[y : y + height, x : x + width] for y, x in zip(down, right, strict=True)])
    steps = np.arange(num_frames)[:, None] * [2, 3]
    xy = rng.uniform([0, 0], [width, height], (80, 1, 2)) + steps
    outside = (xy >= [width, height]).any(axis=2)
    return Clip("a", size, xy / [width, height], outside, lambda: frames), frames


def test_other_units_are_reported_if_positions_stay_in_the_frame() -> None:
    clip, frames = moving_texture((240, 426))
    wide = np.array([426, 240])
    assert not named(clip, clip.points, frames)
    assert named(clip, clip.points * 2 - 1, frames) == "positions look like fractions from -1 to 1"
    told = named(clip, clip.points * 256 / wide, frames)  # pixels of 256 × 256, taken for pixels of the video
    assert told == "positions look like pixels of frames of 256 × 256"
    assert named(clip, clip.points / 2, frames) == "positions look like pixels of frames of half the size"
    assert named(clip, clip.points * [1, -1] + [0, 1], frames) == "y looks counted from the bottom"
    assert named(clip, clip.points * [-1, 1] + [1, 0], frames) == "x looks counted from the right"
    pixels = (clip.points * wide)[..., ::-1] / wide  # (y, x) in pixels of the video
    assert named(clip, pixels, frames) == "x and y look exchanged"


def test_static_content_gives_no_warning_in_any_reading() -> None:
    entry = moving_square(24, (64, 64), num_points=60)
    still = np.repeat(entry["video"][:1], 24, axis=0)
    points = np.repeat(entry["points"][:, :1], 24, axis=1)
    clip = Clip("a", (64, 64), points, np.zeros((60, 24), bool), lambda: still)
    assert not named(clip, points, still) and not named(clip, points[..., ::-1], still)


def test_a_run_says_which_clips_do_not_follow_their_frames(tmp_path: Path) -> None:
    good = moving_square(12, (48, 80), seed=3, num_points=30)
    bad = {**good, "points": good["points"][..., ::-1].copy()}
    save_davis(tmp_path, {"good": good, "bad": bad, "good too": good})
    planned = plan("zero-motion", "davis", data_root=tmp_path, out=tmp_path / "results")
    expected = (
        "the true tracks of 1 of 3 clips do not follow what is in the frames, the first is bad: x and y look exchanged; "
        "vgmae-bench data verify davis names every such clip"
    )
    assert execute(planned, figures=0).notices == [expected]
    assert execute(planned, redo="metrics", figures=0).notices == [expected]  # it is kept with the clip


def test_verify_names_the_clip(tmp_path: Path) -> None:
    good = moving_square(12, (48, 80), seed=3, num_points=30)
    bad = {**good, "points": good["points"][..., ::-1].copy()}
    save_davis(tmp_path, {"good": good, "bad": bad})
    found = [finding for finding in verify("davis", tmp_path) if finding.severity == "error"]
    assert [finding.where for finding in found] == ["bad"]
    assert "x and y look exchanged" in found[0].fault


def test_points_in_half_precision_are_noted(tmp_path: Path) -> None:
    entry = moving_square()
    save_davis(tmp_path, {"coarse": {**entry, "points": entry["points"].astype(np.float16)}})
    (told,) = [finding.fault for finding in verify("davis", tmp_path) if finding.where == "coarse"]
    assert told == "its points are float16, in steps of up to 0.12 pixels of a frame of 256"


def test_a_black_video_is_noted(tmp_path: Path) -> None:
    save_davis(tmp_path, {"black": {**moving_square(), "video": np.ones((12, 64, 64, 3), np.uint8)}})
    assert "all its pixels are 0 or 1: it is black" in [finding.fault for finding in verify("davis", tmp_path)]
