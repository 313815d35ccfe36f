"""Pictures of a clip with its ground truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.clips import clip
from vgmae_bench.data.video.file import open_video
from vgmae_bench.viz.clip import show_clip


def test_a_sheet_and_a_video_with_the_tracks_on_them(tmp_path: Path) -> None:
    shown = replace(clip(num_frames=20, size=(64, 96)), fps=10.0)
    sheet, film = show_clip(shown, tmp_path / "new")
    assert [file.name for file in (tmp_path / "new").iterdir() if file.name[0] != "."] and sheet.name == "clip.png"
    with Image.open(sheet) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (2 * 64, 4 * 96, 3)
    first, place = pixels[:64, :96], shown.tracks()[:, 0].astype(int)
    drawn = first[place[:, 1], place[:, 0]].astype(int) - shown.read()[0][place[:, 1], place[:, 0]]
    assert (np.abs(drawn).sum(axis=-1) > 30).all()  # a dot where each track begins
    video = open_video(film)
    assert (video.size, video.fps, len(list(video.frames()))) == ((64, 96), Fraction(10), 20)


def test_parts_make_the_same_pictures_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = clip(num_frames=40)
    parts = replace(whole, part=lambda start, stop: whole.read()[start:stop])
    films: list[list[npt.NDArray[np.uint8]]] = []

    def keep(path: Path, frames: Iterable[npt.NDArray[np.uint8]], fps: Fraction) -> None:
        films.append(list(frames))  # as given to the encoder, whose threads do not always write the same bytes
        path.touch()

    monkeypatch.setattr("vgmae_bench.viz.clip.write_mp4", keep)
    sheets = [show_clip(shown, tmp_path / name)[0].read_bytes() for name, shown in (("whole", whole), ("parts", parts))]
    assert sheets[0] == sheets[1]
    assert len(films[0]) == 40
    np.testing.assert_array_equal(films[0], films[1])


def test_unannotated_frames_show_no_points(tmp_path: Path) -> None:
    annotated = np.arange(12) % 5 == 0
    grey = np.full((12, 64, 64, 3), 128, dtype=np.uint8)
    shown = replace(clip(num_frames=12), annotated=annotated, read=lambda: grey)
    sheet, film = show_clip(shown, tmp_path)
    with Image.open(sheet) as image:
        assert (np.asarray(image)[64:] == 0).all()  # three annotated frames, one row
    off = np.array([np.abs(frame.astype(int) - 128).mean() for frame in open_video(film).frames()])
    assert off[annotated].min() > off[~annotated].max() + 2


def test_large_clips_are_small_on_the_sheet(tmp_path: Path) -> None:
    sheet, _ = show_clip(clip(num_frames=2, size=(720, 800)), tmp_path)
    with Image.open(sheet) as image:
        assert image.size == (4 * 400, 2 * 360)
