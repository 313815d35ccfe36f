"""Videos are read frame by frame, upright, at any size and from any frame. Other files are refused."""

from __future__ import annotations

import gc
import pickle
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.videos import CODECS, STEP, encode, greys, numbers, save_images
from vgmae_bench.data.video.file import open_video, stack
from vgmae_bench.data.video.image_folder import DEFAULT_FPS
from vgmae_bench.data.video.write import write_mp4
from vgmae_bench.errors import BadDataError


@pytest.mark.parametrize("suffix", CODECS)
def test_files_of_every_kind_are_read_whole(tmp_path: Path, suffix: str) -> None:
    video = open_video(encode(tmp_path / f"video{suffix}", greys(24)))
    assert video.size == (48, 64)
    assert video.fps == 10
    assert video.num_frames == 24
    frames = stack(video.frames())
    assert frames.shape == (24, 48, 64, 3)
    assert frames.dtype == np.uint8
    if suffix == ".gif":  # of 256 fixed colours, among them few greys
        assert (np.diff(frames.mean(axis=(1, 2, 3))) >= 0).all()
    else:
        assert numbers(frames) == list(range(24))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize(("start", "stride"), [(0, 3), (1, 1), (5, 2), (13, 4), (23, 1)])
def test_reading_can_start_anywhere(tmp_path: Path, suffix: str, start: int, stride: int) -> None:
    video = open_video(encode(tmp_path / f"video{suffix}", greys(24)))
    assert numbers(video.frames(start=start, stride=stride, threads=1)) == list(range(24))[start::stride]


def test_frames_are_scaled_while_they_are_read(tmp_path: Path) -> None:
    frames = greys(2)
    frames[:, :, 32:] = 250
    video = open_video(encode(tmp_path / "video.mp4", frames))
    for frame in video.frames((24, 96)):
        assert frame.shape == (24, 96, 3)
        assert frame[:, :44].mean() < 30
        assert frame[:, 52:].mean() > 240


def test_packets_are_counted_if_the_header_has_no_length(tmp_path: Path) -> None:
    assert open_video(encode(tmp_path / "live.webm", greys(17), options={"live": "1"})).num_frames == 17


def test_a_folder_of_images_is_a_video_in_natural_order(tmp_path: Path) -> None:
    folder = save_images(tmp_path / "frames", greys(12))
    (folder / "notes.txt").write_text("no frame")
    (folder / "._0.png").write_text("left by another system")
    video = open_video(folder)
    assert (video.size, video.fps, video.num_frames) == ((48, 64), DEFAULT_FPS, 12)
    assert np.array_equal(stack(video.frames()), greys(12))
    assert numbers(video.frames((20, 30), start=3, stride=4)) == [3, 7, 11]


def test_images_of_different_sizes_are_no_video(tmp_path: Path) -> None:
    folder = save_images(tmp_path / "frames", greys(2))
    Image.new("RGB", (10, 10)).save(folder / "2.png")
    with pytest.raises(BadDataError, match=r"2\.png is 10 x 10: the first of its folder is 64 x 48"):
        stack(open_video(folder).frames())


def test_a_file_that_is_no_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "nothing").mkdir()
    with wave.open(str(tmp_path / "sound.mp4"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000))
    reasons = {"text.mp4": "Invalid data", "empty.mp4": "", "sound.mp4": "holds no frames", "gone.mp4": "No such file"}
    for name, why in reasons.items():
        with pytest.raises(BadDataError, match=f"{name} cannot be read.*{why}"):
            open_video(tmp_path / name)
    with pytest.raises(BadDataError, match="no JPEG or PNG"):
        open_video(tmp_path / "nothing")


def test_a_damaged_image_is_an_error(tmp_path: Path) -> None:
    folder = save_images(tmp_path / "frames", greys(3))
    whole = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadDataError, match=r"1\.png cannot be read"):
        stack(open_video(folder).frames())


def test_a_video_can_be_sent_to_another_process(tmp_path: Path) -> None:
    video = open_video(encode(tmp_path / "video.mp4", greys(6)))
    assert numbers(pickle.loads(pickle.dumps(video)).frames()) == list(range(6))


def test_rates_are_exact(tmp_path: Path) -> None:
    write_mp4(tmp_path / "ntsc.mp4", greys(5), Fraction(30000, 1001))
    assert open_video(tmp_path / "ntsc.mp4").fps == Fraction(30000, 1001)


def test_stack_holds_frames_in_order_and_can_be_written_to() -> None:
    frames = greys(4)
    stacked = stack(iter(frames))
    assert np.array_equal(stacked, frames)
    stacked[0] = STEP
    with pytest.raises(ValueError, match="no frames"):
        stack([])


@pytest.mark.parametrize("expected", [1, 3, 50])
def test_stack_takes_fewer_and_more_frames_than_expected(expected: int) -> None:
    frames = greys(12)
    assert np.array_equal(stack(iter(frames), expected), frames)
    with pytest.raises(ValueError, match="broadcast"):
        stack([frames[0], frames[0, :8]], expected)


def test_no_frame_stays_in_memory_until_garbage_is_collected(tmp_path: Path) -> None:
    video = open_video(encode(tmp_path / "video.mp4", greys(24)))
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in video.frames()) == 24
        assert sum(type(one) is av.VideoFrame for one in gc.get_objects()) < 6
    finally:
        gc.enable()
