"""The published TAP-Vid sets and RoboTAP: pickles of videos with tracks.

Layouts as published with google-deepmind/tapnet (tapnet/tapvid): DAVIS and RoboTAP are dictionaries by video name,
RGB-Stacking is a list, Kinetics comes as numbered shards whose frames are JPEGs. Points are in units of the frame.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pydantic
from tqdm import tqdm

from vgmae_bench import data, plugins
from vgmae_bench.config import Json, to_json
from vgmae_bench.data.examples import Example, parse_example
from vgmae_bench.data.fetch import ensure
from vgmae_bench.data.index import ClipEntry, FileIndex, Shape, build_index, remembered
from vgmae_bench.data.pickles import load_examples
from vgmae_bench.errors import BadDataError, UnknownNameError
from vgmae_bench.types import Clip, Size

_SHARD = re.compile(r"(\d+)_of_(\d+)")
_LONGEST_NAME = 200  # bytes; file systems allow 255, and suffixes are added to it


@dataclass(frozen=True)
class TapVidConfig:
    """point_scale: stored points times (W, H) ("full", the protocol), or times (W - 1, H - 1) ("minus_one", what
    CoTracker's reader does; for parity with its numbers only)."""

    point_scale: Literal["full", "minus_one"] = "full"


@dataclass(frozen=True)
class KineticsConfig(TapVidConfig):
    """half_pixel: the published generator stores points half a source pixel too far up and left. "keep" is the
    benchmark, "compensate" adds the half pixel back."""

    half_pixel: Literal["keep", "compensate"] = "keep"


@dataclass(frozen=True)
class RoboTapConfig(TapVidConfig):
    """long_video_split: cut videos longer than this many frames into equal pieces, each a clip of its own (the official
    evaluation does so at 1000, CoTracker's does not); 0 leaves them whole."""

    long_video_split: Annotated[int, pydantic.Field(ge=0)] = 0


def davis(root: Path, config: TapVidConfig) -> TapVid:
    """TAP-Vid-DAVIS; downloads itself when it is not below `root`."""
    return TapVid(data.DAVIS, root, ensure(data.DAVIS, root), config, containers=(dict,))


def rgb_stacking(root: Path, config: TapVidConfig) -> TapVid:
    """TAP-Vid-RGB-Stacking; downloads itself when it is not below `root`."""
    return TapVid(data.RGB_STACKING, root, ensure(data.RGB_STACKING, root), config, containers=(list,))


def kinetics(root: Path, config: KineticsConfig) -> TapVid:
    """TAP-Vid-Kinetics, from shards the user has built; says how when there are none."""
    files = ensure(data.KINETICS, root)
    return TapVid(data.KINETICS, root, files, config, containers=(list, dict), notes=_missing_shards(files))


def robotap(root: Path, config: RoboTapConfig) -> TapVid:
    """RoboTAP; downloads itself when it is not below `root`."""
    return TapVid(data.ROBOTAP, root, ensure(data.ROBOTAP, root), config, containers=(dict,))


class MinusOneClip(Clip):
    """A clip whose points are scaled as CoTracker's reader scales them."""

    def tracks(self, size: Size | None = None) -> npt.NDArray[np.float64]:
        """float64 [N, T, 2]: stored points times (W - 1, H - 1) of frames of `size` (height, width)."""
        height, width = size or self.size
        scaled: npt.NDArray[np.float64] = self.points * np.array([width - 1, height - 1])
        return scaled


@dataclass(frozen=True)
class _Place:
    """Where a clip is: file, key in it, and which frames (stop None: to the end)."""

    file: Path
    key: str | int
    start: int = 0
    stop: int | None = None


class TapVid:
    """A set of TAP-Vid pickles as a dataset (see `vgmae_bench.types.Dataset`).

    Opening it reads every file once and remembers what is in it (`index.py`). One file at a time is in memory, and
    frames are decoded when a clip's `read` is called.

    Attributes:
        ids: file order, then order in the file. Names are percent-encoded where they would not do as file names. Clips
            of a list are numbered ("0007"), after their shard ("0003-0007"); pieces of a cut video are "name+0", ….
        digest: SHA-256 over file names, file contents and options.
        options: the settings it was opened with.
        shapes: (T, H, W) by clip id; None for a clip that is broken.
        notes: what a user should know of this copy of the set, such as missing shards.

    Raises:
        BadDataError: a file is damaged or holds another container, or two clips have one name. A clip that is broken
            raises when it is asked for, so that the others can still be used.
    """

    def __init__(
        self,
        spec: plugins.DatasetSpec,
        root: Path,
        files: Sequence[Path],
        config: TapVidConfig,
        *,
        containers: tuple[type, ...],
        notes: Sequence[str] = (),
    ) -> None:
        self.notes = list(notes)
        self.options: dict[str, Json] = {key: to_json(value) for key, value in vars(config).items()}
        self._config = config
        self._containers = containers
        self._set = spec.name
        self._places: dict[str, _Place] = {}
        self.shapes: dict[str, Shape | None] = {}
        digests = []
        for file, index in self._index(files).items():
            digests.append([file.relative_to(root).as_posix(), index.sha256])
            for entry in index.clips:
                self._add(file, entry)
        content = json.dumps({"files": digests, "options": self.options}, sort_keys=True)
        self.digest = hashlib.sha256(content.encode()).hexdigest()

    @property
    def ids(self) -> list[str]:
        return list(self._places)

    def clip(self, clip_id: str) -> Clip:
        """The clip of that name.

        Raises:
            UnknownNameError: there is none.
            BadDataError: it is broken; names the file, the clip and the fault.
        """
        if clip_id not in self._places:
            raise UnknownNameError(f'{self._set} has no clip "{clip_id}"', plugins.did_you_mean(clip_id, self._places))
        place = self._places[clip_id]
        example = self._example(place.file, place.key)
        stop = example.num_frames if place.stop is None else place.stop
        points = example.points
        if isinstance(self._config, KineticsConfig) and self._config.half_pixel == "compensate":
            height, width = example.size
            points = points + 0.5 / np.array([width, height])
        make = MinusOneClip if self._config.point_scale == "minus_one" else Clip
        return make(
            id=clip_id,
            size=example.size,
            points=points[:, place.start : stop],
            occluded=example.occluded[:, place.start : stop],
            read=partial(example.read, place.start, stop),
        )

    def _index(self, files: Sequence[Path]) -> dict[Path, FileIndex]:
        known = {file: remembered(file) for file in files}
        unknown = [file for file, index in known.items() if index is None]
        bar = tqdm(unknown, desc=f"Reading {self._set} for the first time", unit="file", leave=False, disable=None)
        new = {file: build_index(file, self._list_clips) for file in bar}
        return {file: index or new[file] for file, index in known.items()}

    def _list_clips(self, file: Path) -> list[ClipEntry]:
        return [ClipEntry(key, self._shape(file, key)) for key in load_examples(file, self._containers)]

    def _shape(self, file: Path, key: str | int) -> Shape | None:
        try:
            example = self._example(file, key)
        except BadDataError:
            return None
        return (example.num_frames, *example.size)

    def _example(self, file: Path, key: str | int) -> Example:
        name = f'clip "{key}"' if isinstance(key, str) else f"clip {key}"
        return parse_example(load_examples(file, self._containers)[key], f"{name} of {file}")

    def _add(self, file: Path, entry: ClipEntry) -> None:
        clip_id = _file_safe(entry.key, file)
        longest = self._config.long_video_split if isinstance(self._config, RoboTapConfig) else 0
        if not longest or entry.shape is None or entry.shape[0] <= longest:
            self._add_place(clip_id, _Place(file, entry.key), entry.shape)
            return
        num_frames, height, width = entry.shape
        count = -(-num_frames // longest)
        for piece in range(count):
            # The bounds of the official evaluation: pieces differ by at most one frame.
            start, stop = piece * num_frames // count, (piece + 1) * num_frames // count
            self._add_place(f"{clip_id}+{piece}", _Place(file, entry.key, start, stop), (stop - start, height, width))

    def _add_place(self, clip_id: str, place: _Place, shape: Shape | None) -> None:
        if clip_id in self._places:
            raise BadDataError(
                f'{self._set} has two clips "{clip_id}"', f"one in {self._places[clip_id].file}, one in {place.file}"
            )
        self._places[clip_id] = place
        self.shapes[clip_id] = shape


def _file_safe(key: str | int, file: Path) -> str:
    """A clip's name as a file name: letters, digits, "_", "-" and inner dots stay, the rest is percent-encoded.

    Different names stay different. "+" is always encoded, so the pieces of a cut video cannot meet another clip's name.
    """
    if isinstance(key, int):
        shard = _SHARD.fullmatch(file.stem)
        return f"{shard[1]}-{key:04d}" if shard else f"{key:04d}"
    name = quote(key, safe="").replace("~", "%7E")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    if not 0 < len(name) <= _LONGEST_NAME:
        raise BadDataError(
            f"{file} has a clip that cannot be named", f"{key[:40]!r} is empty or too long for a file name"
        )
    return name


def _missing_shards(files: Sequence[Path]) -> list[str]:
    """What to say of a sharded set: which of the files numbered 0 … M - 1 of M are not there.

    Raises:
        BadDataError: the files belong to more than one way of sharding.
    """
    numbers = [(int(shard[1]), int(shard[2])) for file in files if (shard := _SHARD.fullmatch(file.stem))]
    totals = sorted({total for _, total in numbers})
    if len(totals) > 1:
        raise BadDataError(
            f"{files[0].parent} mixes sets of {totals[0]} and {totals[1]} shards", "clips would count twice"
        )
    missing = [number for number in range(totals[0]) if number not in {found for found, _ in numbers}] if totals else []
    if not missing:
        return []
    named = ", ".join(f"{number:04d}_of_{totals[0]:04d}.pkl" for number in missing)
    return [f"{len(missing)} of {totals[0]} shards are missing ({named}): scores are of a part of the set"]
