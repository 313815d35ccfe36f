"""Tracks of the user's own video: in the video's pixels, and written completely or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from tests.clips import moving_square
from vgmae_bench.api.own_video import OUTPUTS, SCENE_OUTPUTS, track_video, write_tracks
from vgmae_bench.data.video.file import open_video
from vgmae_bench.errors import BadDataError, StorageError, UsageError
from vgmae_bench.evaluation.method import Method, open_method
from vgmae_bench.evaluation.records.others import TrackRecord, VideoUsed
from vgmae_bench.evaluation.records.results import MethodUsed, Session
from vgmae_bench.types import Queries, Scene, Size, StreamingTracker, Tracks, rescale


@dataclass
class Played:
    """A video in memory. At most `readable` frames can be decoded."""

    pictures: npt.NDArray[np.uint8]
    readable: int | None = None
    fps: Fraction = Fraction(10)

    @property
    def size(self) -> Size:
        return (self.pictures.shape[1], self.pictures.shape[2])

    @property
    def num_frames(self) -> int:
        return len(self.pictures)

    def frames(
        self, size: Size | None = None, *, start: int = 0, stride: int = 1, threads: int = 0
    ) -> Iterator[npt.NDArray[np.uint8]]:
        from vgmae_bench.resizing import resize_frames

        yield from resize_frames(self.pictures[: self.readable], size or self.size)
        if self.readable is not None:
            raise BadDataError("It ends here")


def method(name: str = "lucas-kanade") -> Method:
    return open_method(name, weights=None, settings={}, device="cpu", seed=0)


def record(method: str) -> TrackRecord:
    return TrackRecord(
        method=MethodUsed(method),
        video=VideoUsed("video.mp4", None, (48, 64), 25.0, 3),
        input_size=(48, 64),
        points=1,
        points_from="typed",
        seconds=0.5,
        peak_memory_mb=100.0,
        session=Session.now("cpu", "vgmae-bench track"),
    )


def test_a_streaming_tracker_gets_each_frame_as_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Brightness(StreamingTracker):
        def start(self, queries: Queries) -> None:
            self.number = len(queries)

        def step(self, frame: npt.NDArray[np.uint8]) -> Tracks:
            assert alive == 1  # the frame before is gone
            return Tracks(np.full((self.number, 1, 2), frame.mean()), np.ones((self.number, 1), bool))

    alive = 0

    class One(Played):
        def frames(self, *args: Any, **options: Any) -> Iterator[npt.NDArray[np.uint8]]:
            nonlocal alive
            for frame in super().frames(*args, **options):
                alive += 1
                yield frame
                alive -= 1

    monkeypatch.setenv("VGMAE_BENCH_READ_THREADS", "0")
    pictures = np.repeat(np.arange(6, dtype=np.uint8), 8 * 8 * 3).reshape(6, 8, 8, 3)
    used = replace(method(), tracker=Brightness())
    tracks, scene, seconds = track_video(used, One(pictures), Queries([0, 0], np.zeros((2, 2))), (8, 8))  # type: ignore[arg-type]
    assert tracks.xy[:, :, 0].tolist() == [[0, 1, 2, 3, 4, 5]] * 2 and scene is None and seconds >= 0


def test_tracks_are_in_pixels_of_the_video_at_every_input_size() -> None:
    clip = moving_square(num_frames=10, size=(96, 128))
    truth = clip["points"] * [128, 96]
    inside = truth[:, -1, 0] < 110
    queries = Queries(np.full(inside.sum(), 4), truth[inside, 4])
    for size in ((96, 128), (144, 128)):
        tracks, _, seconds = track_video(method(), Played(clip["video"]), queries, size)
        error = np.linalg.norm(tracks.xy - truth[inside], axis=-1)  # before the query as well as after it
        assert np.median(error) < 0.5
        assert seconds > 0


def test_the_frame_limit_is_respected() -> None:
    video = Played(moving_square(num_frames=10)["video"])
    tracks, _, _ = track_video(method("zero-motion"), video, Queries([2], [[5, 5]]), (32, 32), max_frames=3)
    assert tracks.visible.shape == (1, 3)
    with pytest.raises(UsageError, match=r"no frame 3 to track from: frames 0 to 2"):
        track_video(method("zero-motion"), video, Queries([3], [[5, 5]]), (32, 32), max_frames=3)


def small() -> tuple[npt.NDArray[np.uint8], Queries, Tracks]:
    xy = rescale(np.tile([[[0.5, 0.25]]], (1, 4, 1)), (1, 1), (32, 48))
    return np.zeros((4, 32, 48, 3), dtype=np.uint8), Queries([0], xy[:, 0]), Tracks(xy, np.ones((1, 4), dtype=bool))


def test_old_files_remain_until_new_files_are_complete(tmp_path: Path) -> None:
    pictures, queries, tracks = small()
    out = tmp_path / "deep" / "out"
    with pytest.raises(BadDataError, match="ends here"):
        write_tracks(out, Played(pictures, readable=2), queries, tracks, record("m"))
    assert not out.exists()
    write_tracks(out, Played(pictures), queries, tracks, record("m"))
    (out / "notes.txt").write_text("mine")
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert set(before) == {*OUTPUTS, "notes.txt"}
    with pytest.raises(BadDataError, match="ends here"):
        write_tracks(out, Played(pictures, readable=2), queries, tracks, record("other"))
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    write_tracks(out, Played(pictures), queries, tracks, record("other"))
    after = {file.name: file.read_bytes() for file in out.iterdir()}
    assert set(after) == set(before)
    assert b'"other"' in after["record.json"]


def test_an_uncreatable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    pictures, queries, tracks = small()
    with pytest.raises(StorageError, match="Cannot write"):
        write_tracks(tmp_path / "file", Played(pictures), queries, tracks, record("m"))


class Painter:
    """Predicts no motion, and reconstructs the clip with inverted colours."""

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return Tracks(xy, np.ones(xy.shape[:2], dtype=bool))

    def scene(self, frames: npt.NDArray[np.uint8]) -> Scene:
        flow = np.ones((len(frames) - 1, *frames.shape[1:3], 2), dtype=np.float32)
        return Scene(
            flow, np.ones((len(frames), 4, 2), dtype=np.float32), np.zeros(len(frames), dtype=np.int64), 255 - frames
        )


def test_scene_files_are_written_next_to_the_tracks(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (4, 32, 64, 3), dtype=np.uint8)
    painter = replace(method("zero-motion"), tracker=Painter())
    queries = Queries([0], [[5, 5]])
    tracks, scene, _ = track_video(painter, Played(pictures), queries, (16, 16), with_scene=True)
    assert scene is not None
    assert scene.flow[0, 0, 0].tolist() == [4.0, 2.0]  # pixels of the video per pixel of the method's input
    write_tracks(tmp_path, Played(pictures), queries, tracks, record("m"), scene)
    assert {path.name for path in tmp_path.iterdir()} == {*OUTPUTS, *SCENE_OUTPUTS}
    with h5py.File(tmp_path / "scene.h5") as file:
        assert {name: file[name].shape for name in file} == {
            "flow": (3, 16, 16, 2),
            "centres": (4, 4, 2),
            "window": (4,),
            "reconstruction": (4, 16, 16, 3),
        }
    films = [open_video(tmp_path / name) for name in ("flow.mp4", "reconstruction.mp4")]
    assert [(film.num_frames, film.size) for film in films] == [(3, (32, 128)), (4, (32, 128))]
    for film in films:  # the video is on the left; small frames have no numbers
        left = next(iter(film.frames()))[:, :64].mean(axis=-1)  # mp4 stores colours at half the resolution
        assert np.corrcoef(left.ravel(), pictures[0].mean(axis=-1).ravel())[0, 1] > 0.8
    shown = next(iter(films[1].frames()))[:, 64:].astype(float)
    assert shown.mean() == pytest.approx(255 - pictures[0].mean(), abs=8)  # the negative


def test_video_frames_have_numbers(tmp_path: Path) -> None:
    xy = np.full((1, 12, 2), 90.0, dtype=np.float32)
    grey = Played(np.full((12, 120, 160, 3), 90, dtype=np.uint8))
    tracks = Tracks(xy, np.ones((1, 12), dtype=bool))
    write_tracks(tmp_path, grey, Queries([0], xy[:, 0]), tracks, record("m"))
    corners = [frame[:20, :30].astype(int) for frame in open_video(tmp_path / "tracks.mp4").frames()]
    assert all(corner.max() > 200 for corner in corners)  # white digits
    assert np.abs(corners[3] - corners[4]).max() > 100


def test_a_method_without_a_scene_is_refused() -> None:
    with pytest.raises(UsageError, match="lucas-kanade has no scene"):
        track_video(
            method(), Played(np.zeros((2, 32, 32, 3), np.uint8)), Queries([0], [[5, 5]]), (32, 32), with_scene=True
        )
