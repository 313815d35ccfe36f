"""An mp4 that any browser plays: every frame once, in the right colours, the index in front."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.videos import greys, numbers
from vgmae_bench.data.video import write as video_write
from vgmae_bench.data.video.file import open_video, stack
from vgmae_bench.data.video.write import ENCODERS, write_mp4


@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name in av.codecs_available])
def test_every_encoder_keeps_frames_colours_and_rate(
    tmp_path: Path, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_write, "ENCODERS", {encoder: ENCODERS[encoder]})
    frames = greys(20)
    colours = np.array([[200, 40, 40], [30, 180, 60], [60, 60, 200], [230, 220, 40]], dtype=np.uint8)
    frames[:, 24:] = np.repeat(colours, 16, axis=0)
    assert write_mp4(tmp_path / "video.mp4", frames, Fraction(50)) == encoder
    video = open_video(tmp_path / "video.mp4")
    read = stack(video.frames())
    assert (video.fps, video.num_frames, read.shape) == (50, 20, frames.shape)
    assert numbers(read[:, :20]) == list(range(20))
    assert np.abs(read[:, 28:44, 8::16].astype(int) - colours).max() < 12


def test_odd_sides_are_made_even_by_repeating_the_edge(tmp_path: Path) -> None:
    frames = greys(3, size=(33, 47))
    frames[:, -1], frames[:, :, -1] = 250, 250
    write_mp4(tmp_path / "odd.mp4", frames, Fraction(25))
    read = stack(open_video(tmp_path / "odd.mp4").frames())
    assert read.shape == (3, 34, 48, 3)
    assert read[:, -1].mean() > 220
    assert read[:, :, -1].mean() > 220
    assert numbers(read[:, :30, :44]) == [0, 1, 2]


def test_the_index_comes_first_so_that_it_plays_while_it_loads(tmp_path: Path) -> None:
    write_mp4(tmp_path / "video.mp4", greys(3), Fraction(25))
    data = (tmp_path / "video.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_frame_rates_unsupported_by_mpeg4_are_rounded(tmp_path: Path) -> None:
    write_mp4(tmp_path / "video.mp4", greys(3), Fraction(2_997_003, 100_000))
    assert float(open_video(tmp_path / "video.mp4").fps) == pytest.approx(29.97003, abs=1e-4)


def test_a_file_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_mp4(tmp_path / "no" / "video.mp4", greys(3), Fraction(25))
