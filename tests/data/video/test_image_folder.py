"""The images of a folder are frames in the order of their numbers. Other folders are refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vgmae_bench.data.video.file import open_video
from vgmae_bench.data.video.image_folder import frame_order
from vgmae_bench.errors import BadDataError


@pytest.mark.parametrize(
    "names",
    [
        ["0.05", "0.1", "0.15", "0.2", "1.0"],
        ["t=0.0333", "t=0.0667", "t=0.1"],
        ["1.8", "1.9", "1.10", "1.11", "2.1", "2.2"],  # counters after the point, not decimals
        ["-3", "-2", "-1", "0", "1", "10"],
        ["x_-10", "x_-9", "x_0", "x_2"],
        ["take-9", "take-10"],
        ["2024-01-05", "2024-01-12", "2024-02-01"],
        ["v1.9", "v1.10"],
        ["1.2.9", "1.2.10"],
        ["clip.9", "clip.10"],
        ["10²", "11²"],
        ["٩", "١٠"],  # 9 and 10
        ["0099", "100"],
        ["a", "b", "c"],
    ],
)
def test_order(names: list[str]) -> None:
    files = [Path(f"{name}.png") for name in names]
    assert frame_order(files[::-1]) == files
    assert frame_order(files) == files


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["0.jpg", "1.jpg", "0.png", "1.png"], "0.jpg and 0.png have one name"),
        (["0.png", "1.png", "0_mask.png", "1_mask.png"], "2 like 0.png, 2 like 0_mask.png"),
        (["left1.png", "right1.png", "left2.png", "right2.png"], "2 like left1.png, 2 like right1.png"),
        (["cover.png", "0.png", "1.png"], "2 like 0.png, 1 like cover.png"),
        (["0.jpg", "1.jpg", "2.png"], "2 like 0.jpg, 1 like 2.png"),
    ],
)
def test_masks_and_copies_beside_frames_are_refused(names: list[str], why: str, tmp_path: Path) -> None:
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    with pytest.raises(BadDataError, match="not one sequence of frames") as caught:
        open_video(tmp_path)
    assert why in caught.value.why


@pytest.mark.parametrize("name", ["2.webp", "2.gif", "2.bmp", "2.tif", "2.TIFF"])
def test_images_with_unsupported_formats_are_refused_by_name(name: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / name)
    with pytest.raises(BadDataError, match=f"holds no JPEG or PNG images, but 1 like {name}"):
        open_video(tmp_path)
    for number in range(2):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    with pytest.raises(BadDataError, match=f"it holds 2 JPEG or PNG images and 1 like {name}"):
        open_video(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_an_animation_is_no_frame(kind: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    more = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png", kind, save_all=True, append_images=more)
    with pytest.raises(BadDataError, match=r"1.png cannot be used: it is an animation of 3 pictures"):
        list(open_video(tmp_path).frames())


def test_decimals_are_read_in_their_order(tmp_path: Path) -> None:
    for number, name in enumerate(["-0.1", "0", "0.05", "0.1", "0.15"]):
        Image.new("L", (8, 8), 10 * number).save(tmp_path / f"{name}.png")
    assert [int(frame.mean()) for frame in open_video(tmp_path).frames()] == [0, 10, 20, 30, 40]


def test_twelve_bit_images_are_recognised_from_the_whole_folder(tmp_path: Path) -> None:
    for number, value in enumerate([200, 4095, 1000]):
        Image.fromarray(np.full((8, 8), value, np.uint16)).save(tmp_path / f"{number}.png")
    assert [int(frame.mean()) for frame in open_video(tmp_path).frames()] == [12, 255, 62]
    Image.fromarray(np.full((8, 8), 65535, np.uint16)).save(tmp_path / "3.png")
    assert [int(frame.mean()) for frame in open_video(tmp_path).frames()] == [1, 16, 4, 255]


def test_a_16_bit_image_among_8_bit_images_is_scaled(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 7).save(tmp_path / "0.png")
    Image.fromarray(np.full((8, 8), 30000, np.uint16)).save(tmp_path / "1.png")
    assert [int(frame.mean()) for frame in open_video(tmp_path).frames()] == [7, 117]


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["0", "1", "2", "5", "6"], "no number 3 between 2.png and 5.png"),
        (["f0010", "f0020", "f0040", "f0050"], "no number 30 between f0020.png and f0040.png"),
        (["0", "5", "10"], None),
        (["1403636579763555584", "1403636579813555456", "1403636579863555584"], None),  # times
        (["1341846313.59", "1341846313.63", "1341846313.69", "1341846313.72"], None),
        (["7"], None),
    ],
)
def test_missing_frame_numbers_are_named(names: list[str], lost: str | None, tmp_path: Path) -> None:
    for name in names:
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    assert open_video(tmp_path, allow_truncated=True).num_frames == len(names)
    if lost is None:
        assert open_video(tmp_path).num_frames == len(names)
    else:
        with pytest.raises(BadDataError, match=lost):
            open_video(tmp_path)


def test_an_empty_image_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "0.png").touch()
    with pytest.raises(BadDataError, match=r"0\.png cannot be read: it is empty"):
        open_video(tmp_path)
