"""The published TAP-Vid sets and RoboTAP: pickles of videos with tracks, or the prepared form of them.

Layouts as published with google-deepmind/tapnet (tapnet/tapvid): DAVIS and RoboTAP are dictionaries by video name,
RGB-Stacking is a list, Kinetics comes as numbered shards whose frames are JPEGs. Points are in units of the frame.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pydantic
from tqdm import tqdm

from vgmae_bench import data, plugins
from vgmae_bench.config import Json, to_json
from vgmae_bench.data.examples import Example, parse_example
from vgmae_bench.data.files.clip_names import file_safe, missing_shards
from vgmae_bench.data.files.fetch import ensure
from vgmae_bench.data.files.index import ClipEntry, FileIndex, Shape, build_index, remembered
from vgmae_bench.data.files.sums import compare_sums
from vgmae_bench.data.prepared import PreparedFile
from vgmae_bench.data.tapvid.pickles import load_examples
from vgmae_bench.errors import BadDataError, UnknownNameError
from vgmae_bench.types import Clip, Size


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


def davis(root: Path, config: TapVidConfig, prepared: Path | None = None) -> TapVid:
    """TAP-Vid-DAVIS; downloads itself when it is not below `root`."""
    return TapVid(data.DAVIS, root, config, prepared, containers=(dict,))


def rgb_stacking(root: Path, config: TapVidConfig, prepared: Path | None = None) -> TapVid:
    """TAP-Vid-RGB-Stacking; downloads itself when it is not below `root`."""
    return TapVid(data.RGB_STACKING, root, config, prepared, containers=(list,))


def kinetics(root: Path, config: KineticsConfig, prepared: Path | None = None) -> TapVid:
    """TAP-Vid-Kinetics, prepared from videos or from shards the user has built; says how when there is neither."""
    return TapVid(data.KINETICS, root, config, prepared, containers=(list, dict))


def robotap(root: Path, config: RoboTapConfig, prepared: Path | None = None) -> TapVid:
    """RoboTAP; downloads itself when it is not below `root`."""
    return TapVid(data.ROBOTAP, root, config, prepared, containers=(dict,))


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
    """A set of TAP-Vid pickles, or its prepared form, as a dataset (see `vgmae_bench.types.Dataset`).

    Opening pickles reads every file once and remembers what is in it (`index.py`). One file at a time is in memory, and
    frames are decoded when a clip's `read` is called.

    Arguments:
        prepared: the prepared form, used in place of the pickles; None: the pickles, downloaded where they can be.

    Attributes:
        ids: file order, then order in the file. Names are percent-encoded where they would not do as file names. Clips
            of a list are numbered ("0007"), after their shard ("0003-0007"); pieces of a cut video are "name+0", ….
        digest: SHA-256 over names and contents of the published files, and options. The same whether they are read
            themselves or their prepared form, as long as its frames are theirs.
        identity: what the digest is of, without the options.
        files: that are read, the prepared form or the pickles.
        coverage: how many of the published clips are here, and which are missing where that is known; for the record.
        options: the settings it was opened with.
        own_queries: whether clips say themselves where their tracks are asked about (see `vgmae_bench.types.Clip.asked`).
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
        config: TapVidConfig,
        prepared: Path | None = None,
        *,
        containers: tuple[type, ...] = (),
    ) -> None:
        self.options: dict[str, Json] = {key: to_json(value) for key, value in vars(config).items()}
        self._config = config
        self._containers = containers
        self._set = spec.name
        self._places: dict[str, _Place] = {}
        self.shapes: dict[str, Shape | None] = {}
        self._prepared = PreparedFile(prepared) if prepared else None
        self.own_queries = bool(self._prepared and self._prepared.about.get("own_queries"))
        if self._prepared:
            self.files, self.notes = [self._prepared.path], []
            self.identity = self._prepared.identity
            for name, shape in self._prepared.shapes.items():
                self._add(name, self._prepared.path, ClipEntry(name, shape))
        else:
            self.files = ensure(spec, root)
            self.notes = missing_shards(self.files)
            indices = self._index(self.files)
            compare_sums({file: index.sha256 for file, index in indices.items()})
            self.identity = {
                "files": [[file.relative_to(root).as_posix(), indices[file].sha256] for file in self.files]
            }
            for file, index in indices.items():
                for entry in index.clips:
                    self._add(file_safe(entry.key, file), file, entry)
        self.coverage = self._cover(spec)
        content = json.dumps({**self.identity, "options": self.options}, sort_keys=True)
        digest = self.identity.get("dataset") or hashlib.sha256(content.encode()).hexdigest()
        self.digest = str(digest)

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
        example = self.example(clip_id)
        points = example.points
        if isinstance(self._config, KineticsConfig) and self._config.half_pixel == "compensate":
            height, width = example.size
            points = points + 0.5 / np.array([width, height])
        make = MinusOneClip if self._config.point_scale == "minus_one" else Clip
        return dataclasses.replace(example, points=points).clip(clip_id, make)

    def example(self, clip_id: str) -> Example:
        """What the clip is made of, as stored. Raises like `clip`, but for unknown names a KeyError."""
        place = self._places[clip_id]
        example = self._example(place.file, place.key)
        return example if place.stop is None else example.piece(place.start, place.stop)

    def _cover(self, spec: plugins.DatasetSpec) -> dict[str, Json]:
        """How much of the published set is here; pieces of a cut video count as one clip."""
        here = len({(place.file, place.key) for place in self._places.values()})
        missing: Json = self._prepared.about.get("missing") if self._prepared else None
        if missing is None and here == spec.published_clips:
            missing = []
        return {"published": spec.published_clips, "here": here, "missing": missing}

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
        if self._prepared:
            return self._prepared.example(str(key))
        name = f'clip "{key}"' if isinstance(key, str) else f"clip {key}"
        return parse_example(load_examples(file, self._containers)[key], f"{name} of {file}")

    def _add(self, clip_id: str, file: Path, entry: ClipEntry) -> None:
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
