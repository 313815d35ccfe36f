"""Reads a dataset of TAP-Vid pickles without running code in them. Memory holds one file at a time.

The layouts are those of google-deepmind/tapnet (tapnet/tapvid): DAVIS and RoboTAP are dictionaries by video name,
RGB-Stacking is a list, Kinetics consists of numbered shards with JPEG frames. Points are in units of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np

from vgmae_bench.config import Json
from vgmae_bench.data.checks import check_frames, check_tracks
from vgmae_bench.data.dataset import Coverage, VideoShape, stored_digest
from vgmae_bench.data.files.clip_names import file_safe, missing_shards
from vgmae_bench.data.files.fetch import ensure
from vgmae_bench.data.files.index import ClipEntry, FileIndex, Stamp, build_index, cached_index, stamp
from vgmae_bench.data.files.root import compare_sums
from vgmae_bench.data.tapvid import safe_pickle
from vgmae_bench.data.video.frames import decode_frames, jpeg_size
from vgmae_bench.errors import BadDataError, FaultError, damage
from vgmae_bench.plugins import DatasetSpec
from vgmae_bench.progress.bar import counted
from vgmae_bench.types import Clip, Size, Uint8Array, describe

_lock = Lock()
_loaded: dict[Stamp, Any] = {}
"""The content of the most recently loaded file. Clips share its arrays."""


def _content(path: Path) -> Any:
    with _lock:
        wanted = stamp(path)
        if wanted not in _loaded:
            _loaded.clear()  # before loading, so that memory holds one file at a time
            _loaded[wanted] = safe_pickle.load(path)
        return _loaded[wanted]


def load_examples(path: Path, containers: tuple[type, ...]) -> Mapping[str | int, Any]:
    """The raw examples of a file by clip name, or by position if the file holds a list.

    Arguments:
        path: a pickle.
        containers: `dict`, `list`, or both: the containers that the file may hold.

    Raises:
        BadDataError: the file is damaged, or holds another container.
        UntrustedFileError: the file holds something other than plain data.
    """
    content = _content(path)
    if not isinstance(content, containers):
        kinds = " or ".join("dictionary" if kind is dict else "list" for kind in containers)
        raise BadDataError(
            f"{path} is not a file of clips", f"it holds a {type(content).__name__}, not a {kinds} of clips"
        )
    if isinstance(content, list):
        return dict(enumerate(content))
    names = cast(Mapping[str | int, Any], content)
    if odd := [key for key in names if not isinstance(key, str)]:
        raise BadDataError(f"{path} is not a file of clips", f"{odd[0]!r} is not the name of a clip")
    return names


class TapVid:
    """A dataset of TAP-Vid pickles (see `vgmae_bench.data.dataset.Dataset`).

    Opening it reads every file once and caches an index (`files/index.py`). Memory holds one file at a time. Frames are
    decoded when a clip's `read` is called.

    Arguments:
        spec: describes the dataset. Its files are downloaded if possible.
        root: the data root.
        containers: `dict`, `list`, or both: the containers that the files may hold.

    Attributes:
        ids: in the order of files, then in the order inside a file. Names are percent-encoded if they cannot be file
            names. Clips of a list have numbers ("0007"), after their shard's number ("0003-0007").
        identity: names and SHA-256 of the files.
        digest: SHA-256 of the identity.
        files: the pickles.
        coverage: how many of the published clips are present.
        shapes: (T, H, W) by clip id; None for an unusable clip.
        notes: the missing shards.

    Raises:
        BadDataError: a file is damaged or holds another container, or two clips have the same name. An unusable clip
            raises only when it is read, so that the others stay usable.
    """

    own_queries = False

    def __init__(self, spec: DatasetSpec, root: Path, containers: tuple[type, ...]) -> None:
        self._containers = containers
        self._set = spec.name
        self._places: dict[str, tuple[Path, str | int]] = {}  # the file of each clip, and the clip's key in it
        self.shapes: dict[str, VideoShape | None] = {}
        self.files = ensure(spec, root)
        self.notes = missing_shards(self.files)
        indices = self._index()
        compare_sums({file: index.sha256 for file, index in indices.items()})
        self.identity: dict[str, Json] = {
            "files": [[file.relative_to(root).as_posix(), indices[file].sha256] for file in self.files]
        }
        self.digest = stored_digest(self.identity, {})
        for file, index in indices.items():
            for key, shape in index.clips:
                clip_id = file_safe(key, file)
                if clip_id in self._places:
                    why = f"one in {self._places[clip_id][0]}, one in {file}"
                    raise BadDataError(f'{self._set} has two clips "{clip_id}"', why)
                self._places[clip_id] = file, key
                self.shapes[clip_id] = shape
        self.ids = list(self._places)
        complete = len(self.ids) == spec.published_clips
        self.coverage = Coverage(spec.published_clips, len(self.ids), [] if complete else None)

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id. Raises BadDataError, which names the file, the clip and the fault, if it is unusable."""
        return self._read(*self._places[clip_id], clip_id)

    def _index(self) -> dict[Path, FileIndex]:
        known = {file: cached_index(file) for file in self.files}
        unknown = [file for file, index in known.items() if index is None]
        shown = counted(unknown, f"reading {self._set} for the first time", "files", leave=False)
        new = {file: build_index(file, self._list_clips) for file in shown}
        return {file: index or new[file] for file, index in known.items()}

    def _list_clips(self, file: Path) -> list[ClipEntry]:
        found: list[ClipEntry] = []
        for key in load_examples(file, self._containers):
            try:
                clip = self._read(file, key, str(key))
                found.append((key, (clip.num_frames, *clip.size)))
            except BadDataError:
                found.append((key, None))
        return found

    def _read(self, file: Path, key: str | int, clip_id: str) -> Clip:
        name = f'clip "{key}"' if isinstance(key, str) else f"clip {key}"
        return parse_example(load_examples(file, self._containers)[key], clip_id, f"{name} of {file}", self._set)


def parse_example(raw: object, clip_id: str, where: str, dataset: str = "") -> Clip:
    """Check one entry of a TAP-Vid pickle.

    Arguments:
        raw: a dictionary with `video` (uint8 [T, H, W, 3], or T JPEG byte strings), `points` (float [N, T, 2], units of
            the frame) and `occluded` (bool or 0 and 1, [N, T]).
        clip_id: the id of the clip.
        where: names the clip and its file, for messages.
        dataset: the dataset's name, for the command to try.

    Returns:
        The clip. Frames are a read-only view if the file holds pixels, a new array if it holds JPEGs.

    Raises:
        BadDataError: the entry has a fault, see `vgmae_bench.data.checks`.
    """
    with damage(f"{where[:1].upper()}{where[1:]} cannot be used", dataset):
        if not isinstance(raw, dict):
            raise FaultError(f"it is {describe(raw)}, not a dictionary of video, points and occluded")
        if missing := [key for key in ("video", "points", "occluded") if key not in raw]:
            raise FaultError(f"it has no {', '.join(missing)}")
        encoded = _jpeg_frames(raw["video"])
        if encoded is None:
            pixels = check_frames(raw["video"]).view()
            pixels.flags.writeable = False  # a tracker that writes to its frames must not change those of the next one
            num_frames, height, width, _ = pixels.shape
        else:
            num_frames, (height, width) = len(encoded), jpeg_size(encoded[0])
        points, occluded = check_tracks(raw["points"], raw["occluded"], num_frames, (height, width))

    def part(start: int, stop: int, size: Size | None = None) -> Uint8Array:
        return pixels[start:stop] if encoded is None else decode_frames(encoded[start:stop], resized=size)

    return Clip(
        clip_id,
        (height, width),
        points,
        occluded,
        partial(part, 0, num_frames),
        part=part,
        encoded=encoded,
        parallel=True,
        resized=None if encoded is None else part,
    )


def _jpeg_frames(video: object) -> Sequence[bytes] | None:
    """The byte strings of an encoded video; None for anything else. NumPy has already removed padding NULs of bytes arrays."""
    if isinstance(video, np.ndarray) and (video.ndim != 1 or video.dtype.kind not in "OS"):
        return None
    if isinstance(video, np.ndarray | list) and len(video) and all(isinstance(frame, bytes) for frame in video):
        return video  # type: ignore[return-value]  # a 1-D array of bytes indexes and slices like a sequence of them
    return None
