"""The dataset "folder": your own videos, each with a CSV or JSON file of tracks in the same folder.

    bear.mp4  bear.csv       a video file that FFmpeg reads, and its tracks under the same name
    camel/    camel.json     a folder of images, and its tracks

A CSV file has a header and the columns point, frame, x, y and visible (0 or 1). Other columns are ignored. `vgmae-bench
track` writes this format. A point without a row for a frame is hidden in that frame. A frame without any row has no
annotations: it has no queries and is not scored.

A JSON file is {"xy": [N][T] of [x, y] or null, "visible": [N][T] of true or false, "annotated": [T] of true or false}.
Without "visible", null means hidden. Without "annotated", all frames have annotations.

Positions are raster pixels of the upright video; the centre of the first pixel is (0.5, 0.5). A clip ends with its last
annotated frame.
"""

from __future__ import annotations

import itertools
import shlex
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vgmae_bench import config as configs
from vgmae_bench.config import Json
from vgmae_bench.data.checks import check_frames, check_tracks
from vgmae_bench.data.track_tables import first_frame, read_tracks
from vgmae_bench.data.video import Video
from vgmae_bench.data.video.file import VIDEO_SUFFIXES, open_video, stack
from vgmae_bench.errors import BadDataError, FaultError, MissingDataError, UsageError, damage
from vgmae_bench.files import file_digest, natural_order
from vgmae_bench.resizing import resize_frames
from vgmae_bench.types import Clip, Size, Uint8Array

TRACK_SUFFIXES = (".csv", ".json")
_LATE = (
    "{} of {} tables have no row for frame 0, the first of them {}; frames are counted from 0. "
    "If yours begin at 1, every position is one frame late"
)


@dataclass(frozen=True)
class FolderConfig:
    """Settings of the dataset.

    Attributes:
        path: the folder with the videos and their tracks.
        allow_truncated: read the existing part of incomplete or damaged videos. False refuses them.
    """

    path: Path | None = None
    allow_truncated: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class _VideoClip(Clip):
    """A clip that is resized while it is decoded."""

    video: Video

    def frames(self, size: Size | None = None) -> Uint8Array:
        if size is None:
            return self.read()
        frames = itertools.islice(self.video.frames(), self.num_frames)
        with damage(f'Clip "{self.id}" of folder cannot be used'):
            resized = stack((resize_frames(frame[None], size)[0] for frame in frames), self.num_frames)
            return check_frames(resized, (self.num_frames, *size))


class FolderDataset:
    """See the module, and `vgmae_bench.data.dataset.Dataset`.

    Raises:
        UsageError: no folder was given.
        MissingDataError: the folder does not exist, or holds no tracks.
        BadDataError: tracks have no video of the same name, or two files have the same name.
    """

    def __init__(self, config: FolderConfig) -> None:
        if config.path is None:
            raise UsageError(
                "folder needs its setting path", "it names the folder with your videos", try_="--dataset-set path=DIR"
            )
        folder = config.path.expanduser()
        if not folder.is_dir():
            raise MissingDataError(f"There is no folder {folder}", "it should hold videos with tracks beside them")
        self._allow_truncated = config.allow_truncated
        self.options: dict[str, Json] = {"allow_truncated": True} if config.allow_truncated else {}
        self._pairs = _pairs(folder)
        if not self._pairs:
            raise MissingDataError(
                f"{folder} holds no tracks", "each video needs a .csv or .json file of the same name"
            )
        self.ids = list(self._pairs)
        self.files = [file for pair in self._pairs.values() for file in pair]
        sums = {name: [_content(video), file_digest(tracks)] for name, (video, tracks) in self._pairs.items()}
        self.digest = configs.digest(sums)
        self._states = {name: _state(pair) for name, pair in self._pairs.items()}
        late = [
            name for name, (_, tracks) in self._pairs.items() if tracks.suffix.lower() == ".csv" and first_frame(tracks)
        ]
        self.notes = [_LATE.format(len(late), len(self.ids), self._pairs[late[0]][1].name)] if late else []

    def clip(self, clip_id: str) -> Clip:
        """The clip with this name.

        Raises:
            BadDataError: its video or its tracks are unusable. The message names the file and the reason.
        """
        path, tracks = self._pairs[clip_id]
        self._check_unchanged(clip_id)
        video = open_video(path, allow_truncated=self._allow_truncated)
        dataset = f"folder --dataset-set {shlex.quote(f'path={tracks.parent}')}"
        with damage(f"The tracks {tracks} cannot be used", dataset):
            xy, hidden, annotated = read_tracks(tracks)
            points = xy / np.array(video.size[::-1])
            if tracks.suffix.lower() == ".json" and xy.shape[1] < len(xy) == video.num_frames:
                why = f"xy is [{len(xy)}][{xy.shape[1]}], and the video has {len(xy)} frames: it looks like [T][N]"
                raise FaultError(why, "[N][T], a row for each point; if it is one, null for the rest of the frames")
            points, occluded = check_tracks(points, hidden, xy.shape[1], video.size, "pixels")

        length = len(annotated)
        if (found := video.num_frames) < length:
            raise BadDataError(f"The video of {clip_id} ends after {found} frames", f"its tracks have {length}")

        def read() -> Uint8Array:
            frames = stack(itertools.islice(video.frames(), length), length)
            self._check_unchanged(clip_id)
            return frames

        return _VideoClip(
            id=clip_id,
            size=video.size,
            points=points,
            occluded=occluded,
            read=read,
            fps=float(video.fps),
            annotated=None if annotated.all() else annotated,
            video=video,
        )

    def _check_unchanged(self, clip_id: str) -> None:
        """Raise BadDataError if a file of the clip has changed since `digest` was computed."""
        if _state(self._pairs[clip_id]) != self._states[clip_id]:
            raise BadDataError(
                f"The files of {clip_id} have changed since the run began",
                "its scores would mix two versions of the data",
                try_="the same command again, when nothing writes to the folder",
            )


def _pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """(video, tracks) by clip id, in natural order. Different Unicode forms of a name count as the same name.

    Raises:
        BadDataError: tracks have no video of the same name, or two files have the same name.
    """
    tracks: dict[str, list[Path]] = {}
    videos: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir(), key=natural_order):
        if file.name.startswith("."):
            continue
        # Some systems store é as one character, some as two.
        name = unicodedata.normalize("NFC", file.name if file.is_dir() else file.stem)
        if file.is_dir() or file.suffix.lower() in VIDEO_SUFFIXES:
            videos.setdefault(name, []).append(file)
        elif file.suffix.lower() in TRACK_SUFFIXES:
            tracks.setdefault(name, []).append(file)
    for name, files in tracks.items():
        if len(files) > 1:
            named = " and ".join(file.name for file in files)
            what = f"{folder} has {len(files)} files of tracks for {name}: {named}"
            raise BadDataError(what, "only one of them can be used", try_="moving the others to another folder")
        found = videos.get(name, [])
        if len(found) != 1:
            count = f"{len(found)} videos: {' and '.join(video.name for video in found)}" if found else "no video"
            raise BadDataError(f"{files[0]} has {count}", "it needs one video of the same name in its folder")
    return {name: (videos[name][0], file) for name, (file,) in tracks.items()}


def _state(pair: tuple[Path, Path]) -> list[tuple[int, int, int]]:
    """Inode number, size and modification time of each file. Writing or replacing a file changes them."""
    with damage(f"{pair[0].name} and {pair[1].name} cannot be used"):
        return [(status.st_ino, status.st_size, status.st_mtime_ns) for status in (file.stat() for file in pair)]


def _content(video: Path) -> str:
    """SHA-256 (hex) of a video, or of the images of a folder."""
    if video.is_file():
        return file_digest(video)
    return configs.digest({file.name: file_digest(file) for file in video.iterdir() if file.is_file()})
