"""Frames of Kinetics equal those of the published ffmpeg command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.videos import encode, greys
from vgmae_bench.data.kinetics import jpeg_frames
from vgmae_bench.data.video.frames import decode_frames
from vgmae_bench.errors import BadDataError

VIDEOS = Path(__file__).parents[1] / "kinetics_videos"
EXPECTED: dict[str, list[int]] = json.loads((VIDEOS / "expected.json").read_text())
"""The grey of every frame that ffmpeg 9.0 made of each video; see make.sh there."""


def ffmpeg() -> str:
    found = os.environ.get("FFMPEG") or shutil.which("ffmpeg")
    if not found:
        pytest.skip("compares with ffmpeg itself, which is not installed; FFMPEG may name it")
    return found


def published(path: Path) -> list[bytes]:
    """The frames of generate_tapvid.py, from the command that ffmpeg-python builds."""
    command = [ffmpeg(), "-i", str(path), "-filter_complex", "[0]fps=fps=25[s0]", "-map", "[s0]"]
    output = subprocess.run([*command, "-f", "image2pipe", "pipe:"], capture_output=True, check=True).stdout
    return [b"\xff\xd8" + jpeg for jpeg in output.split(b"\xff\xd8")[1:]][:250]


@pytest.mark.parametrize("name", EXPECTED)
def test_frames_are_those_of_the_published_command(name: str) -> None:
    found = decode_frames(jpeg_frames(VIDEOS / name)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found, EXPECTED[name], atol=2)


def test_a_picture_that_starts_late_is_filled_up_from_the_start_of_the_file() -> None:
    shown = decode_frames(jpeg_frames(VIDEOS / "late.mp4")).mean(axis=(1, 2, 3))
    assert np.ptp(shown[:13]) < 1, "half a second at 25 frames a second"
    assert (np.diff(shown[13:]) > 1).all()


@pytest.mark.parametrize("name", EXPECTED)
def test_frames_are_those_of_ffmpeg_itself(name: str) -> None:
    ours, theirs = jpeg_frames(VIDEOS / name), published(VIDEOS / name)
    assert len(ours) == len(theirs)
    # The encoder writes its version into each file, which may move the quality of a few frames by one step.
    difference = np.abs(decode_frames(ours).astype(int) - decode_frames(theirs))
    assert np.quantile(difference, 0.99) <= 1


@pytest.mark.parametrize("turn", ["-display_rotation 90", "-display_rotation 270", "-display_hflip", "-display_vflip"])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_orientations_and_pixel_formats_are_those_of_ffmpeg_itself(tmp_path: Path, turn: str, pixels: str) -> None:
    source = f"-f lavfi -i testsrc2=s=64x48:r=30:d=0.5 -c:v libx264 -pix_fmt {pixels}".split()
    subprocess.run([ffmpeg(), "-v", "error", *source, str(tmp_path / "a.mp4")], check=True)
    copy = [ffmpeg(), "-v", "error", *turn.split(), "-i", str(tmp_path / "a.mp4"), "-c", "copy"]
    subprocess.run([*copy, str(tmp_path / "b.mp4")], check=True)
    ours, theirs = jpeg_frames(tmp_path / "b.mp4"), published(tmp_path / "b.mp4")
    assert len(ours) == len(theirs)
    difference = np.abs(decode_frames(ours).astype(int) - decode_frames(theirs))
    assert difference.mean() < 0.5 and np.quantile(difference, 0.99) <= 8


@pytest.mark.parametrize(("pixels", "sampling"), [("yuv420p", (2, 2)), ("yuv422p", (2, 1)), ("yuv444p", (1, 1))])
def test_chroma_is_kept_at_the_resolution_of_the_video(tmp_path: Path, pixels: str, sampling: tuple[int, int]) -> None:
    path = encode(tmp_path / "video.mp4", greys(3), pix_fmt=pixels)
    jpeg = jpeg_frames(path)[0]
    start = jpeg.index(b"\xff\xc0")  # the frame header (ITU-T T.81, B.2.2)
    luma, chroma = divmod(jpeg[start + 11], 16), divmod(jpeg[start + 14], 16)
    assert (luma[0] // chroma[0], luma[1] // chroma[1]) == sampling


def test_a_broken_download_is_refused(tmp_path: Path) -> None:
    whole = encode(tmp_path / "video.mp4", greys(12), options={"movflags": "+faststart"})
    half = tmp_path / "half.mp4"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    with pytest.raises(BadDataError, match="is incomplete"):
        jpeg_frames(half)
