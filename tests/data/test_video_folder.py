"""Clips from folders of videos: correct frames, centre crops, equal clips for equal generators."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.videos import STEP, encode, greys, numbers, save_images
from vgmae_bench.data.video_folder import VideoFolder
from vgmae_bench.errors import BadDataError, MissingDataError


def sample(folder: VideoFolder, seed: int, frames: int = 4, stride: int = 2, size: int = 16) -> np.ndarray:
    return folder.sample(np.random.default_rng(seed), frames, stride, size)


def test_videos_are_found_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("10.mp4", "9.mkv", "b/clip.webm", ".hidden/clip.mp4", ".part.mp4"):
        encode(tmp_path / name, greys(2))
    save_images(tmp_path / "b" / "frames", greys(2))
    (tmp_path / "b" / "poster.png").write_bytes((tmp_path / "b" / "frames" / "0.png").read_bytes())
    (tmp_path / "readme.txt").write_text("about")
    found = [str(path.relative_to(tmp_path)) for path in VideoFolder(tmp_path).paths]
    assert found == ["9.mkv", "10.mp4", "b/clip.webm", "b/frames"]


def test_clips_are_frames_at_the_stride_from_all_over_the_video(tmp_path: Path) -> None:
    encode(tmp_path / "video.mp4", greys(24))
    folder = VideoFolder(tmp_path)
    starts = set()
    for seed in range(40):
        clip = sample(folder, seed, frames=4, stride=3)
        assert clip.shape == (4, 16, 16, 3)
        assert clip.dtype == np.uint8
        first, *_ = told = numbers(clip)
        assert told == [first, first + 3, first + 6, first + 9]
        starts.add(first)
    assert min(starts) == 0
    assert max(starts) == 14
    assert len(starts) > 9


@pytest.mark.parametrize(
    ("length", "expected"),
    [(7, [0, 2, 4, 6]), (6, [0, 1, 2, 3]), (3, [0, 1, 2, 2]), (1, [0, 0, 0, 0])],
)
def test_short_videos_use_a_smaller_stride_then_repeat_the_last_frame(
    tmp_path: Path, length: int, expected: list[int]
) -> None:
    encode(tmp_path / "video.mp4", greys(length))
    told = numbers(sample(VideoFolder(tmp_path), seed=0, frames=4, stride=5))
    assert np.diff(told).tolist() == np.diff(expected).tolist()
    assert told[-1] < length


@pytest.mark.parametrize("shape", [(48, 96), (96, 48)])
def test_the_shorter_side_is_scaled_and_the_middle_kept(tmp_path: Path, shape: tuple[int, int]) -> None:
    frames = np.full((3, *shape, 3), 250, dtype=np.uint8)
    middle = [slice((side - 48) // 2, (side + 48) // 2) for side in shape]
    frames[:, middle[0], middle[1]] = 10
    save_images(tmp_path / "frames", frames)
    clip = sample(VideoFolder(tmp_path), seed=0, frames=2, size=24)
    assert clip.shape == (2, 24, 24, 3)
    assert clip[:, 2:-2, 2:-2].max() < 20
    assert clip.mean() < 40


def test_a_clip_depends_on_the_generator_alone(tmp_path: Path) -> None:
    for number in range(4):
        encode(tmp_path / f"{number}.mp4", greys(24) + number % 2 * STEP)
    (tmp_path / "broken.mp4").write_text("no video")
    folder = VideoFolder(tmp_path)
    clips = [sample(folder, seed) for seed in range(12)]
    assert len({clip.tobytes() for clip in clips}) > 6
    assert list(folder.skipped) == [tmp_path / "broken.mp4"]
    elsewhere = pickle.loads(pickle.dumps(VideoFolder(tmp_path)))
    for seed in reversed(range(12)):
        assert np.array_equal(sample(elsewhere, seed), clips[seed])


def test_unreadable_videos_are_listed_with_the_reason(tmp_path: Path) -> None:
    encode(tmp_path / "good.mp4", greys(24))
    (tmp_path / "bad.mp4").write_text("no video")
    folder = VideoFolder(tmp_path)
    assert folder.skipped == {}
    for seed in range(8):
        sample(folder, seed)
    assert "Invalid data" in folder.skipped[tmp_path / "bad.mp4"]
    (tmp_path / "good.mp4").write_text("not any more")
    with pytest.raises(BadDataError, match="None of the 2 videos can be read"):
        sample(folder, seed=0)


def test_folders_without_videos_say_so(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="There are no videos"):
        VideoFolder(tmp_path)
    with pytest.raises(MissingDataError, match="There is no folder"):
        VideoFolder(tmp_path / "gone")
