"""All eight orientations of a display matrix and of EXIF are corrected."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.videos import encode
from vgmae_bench.data.kinetics import jpeg_frames
from vgmae_bench.data.video.file import open_video, stack
from vgmae_bench.data.video.frames import decode_frames
from vgmae_bench.data.video.images import read_image

CORNERS = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 250]]], dtype=np.uint8)
STORED = np.kron(CORNERS, np.ones((24, 32, 1), np.uint8))
"""uint8 [48, 64, 3]: red, green; blue, white."""
ONE = 1 << 16

# The letters name the corners as they are seen, row by row. (x, y) of the picture is seen at (a x + c y, b x + d y).
MATRICES = {
    "rg bw": (1, 0, 0, 1),
    "gr wb": (-1, 0, 0, 1),
    "wb gr": (-1, 0, 0, -1),
    "bw rg": (1, 0, 0, -1),
    "rb gw": (0, 1, 1, 0),
    "br wg": (0, 1, -1, 0),
    "wg br": (0, -1, -1, 0),
    "gw rb": (0, -1, 1, 0),
}
EXIF = {"rg bw": 1, "gr wb": 2, "wb gr": 3, "bw rg": 4, "rb gw": 5, "br wg": 6, "wg br": 7, "gw rb": 8}


def corners(frame: npt.NDArray[np.uint8]) -> str:
    """The colours of the four corners, row by row."""
    height, width = frame.shape[:2]
    names = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w"}
    rows = [[frame[y, x] for x in (width // 4, width * 3 // 4)] for y in (height // 4, height * 3 // 4)]
    return " ".join("".join(names[tuple(int(value > 125) for value in pixel)] for pixel in row) for row in rows)


def turned_video(path: Path, matrix: tuple[float, float, float, float]) -> Path:
    """An mp4 whose track header (ISO 14496-12, 8.3.2) holds a matrix."""
    encode(path, np.stack([STORED] * 3))
    a, b, c, d = (round(value * ONE) for value in matrix)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("seen", "matrix"), MATRICES.items())
def test_videos(tmp_path: Path, seen: str, matrix: tuple[int, int, int, int]) -> None:
    path = turned_video(tmp_path / "video.mp4", matrix)
    video = open_video(path)
    assert video.size == ((48, 64) if matrix[0] else (64, 48))
    frames = stack(video.frames())
    assert frames.shape[1:3] == video.size
    assert [corners(frame) for frame in frames] == [seen] * 3
    assert [corners(frame) for frame in video.frames((40, 20), start=1)] == [seen] * 2
    assert corners(decode_frames(jpeg_frames(path))[0]) == seen


@pytest.mark.parametrize(("seen", "number"), EXIF.items())
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_images_and_folders_of_them(tmp_path: Path, seen: str, number: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = number
    for frame in range(2):
        Image.fromarray(STORED).save(tmp_path / f"{frame}{suffix}", exif=exif)
    video = open_video(tmp_path)
    assert video.size == ((48, 64) if number < 5 else (64, 48))
    assert [corners(frame) for frame in video.frames()] == [seen] * 2
    assert corners(read_image(tmp_path / f"0{suffix}")) == seen


def test_a_turn_by_another_angle_keeps_the_size(tmp_path: Path) -> None:
    path = turned_video(tmp_path / "video.mp4", (math.cos(0.5), math.sin(0.5), -math.sin(0.5), math.cos(0.5)))
    frame = next(open_video(path).frames())
    assert frame.shape == STORED.shape
    assert frame[:4, :4].mean() < 40, "the corners are cut off, and black comes in"
