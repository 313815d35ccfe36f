"""The published TAP-Vid datasets and RoboTAP: reads their pickles, and opens each dataset by its settings.

The layouts are those of google-deepmind/tapnet (tapnet/tapvid): DAVIS and RoboTAP are dictionaries by video name,
RGB-Stacking is a list, Kinetics consists of numbered shards with JPEG frames. Points are in units of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vgmae_bench import data, plugins
from vgmae_bench.config import Json
from vgmae_bench.data.dataset import Coverage, VideoShape, stored_digest
from vgmae_bench.data.files.clip_names import file_safe, missing_shards
from vgmae_bench.data.files.fetch import ensure
from vgmae_bench.data.files.index import ClipEntry, FileIndex, build_index, cached_index
from vgmae_bench.data.files.sums import compare_sums
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.data.tapvid.example import parse_example
from vgmae_bench.data.tapvid.pickles import load_examples
from vgmae_bench.data.tapvid.settings import KineticsConfig, RoboTapConfig, TapVidConfig, WithSettings
from vgmae_bench.errors import BadDataError, UnknownNameError
from vgmae_bench.plugins import DatasetSpec
from vgmae_bench.progress.bar import counted
from vgmae_bench.types import Clip


def davis(root: Path, config: TapVidConfig, prepared: Path | None = None) -> WithSettings:
    """TAP-Vid-DAVIS. Downloads itself if it is missing in `root`."""
    return _open(data.DAVIS, root, config, prepared, (dict,))


def rgb_stacking(root: Path, config: TapVidConfig, prepared: Path | None = None) -> WithSettings:
    """TAP-Vid-RGB-Stacking. Downloads itself if it is missing in `root`."""
    return _open(data.RGB_STACKING, root, config, prepared, (list,))


def kinetics(root: Path, config: KineticsConfig, prepared: Path | None = None) -> WithSettings:
    """TAP-Vid-Kinetics, prepared from videos or from shards that the user has built. The error says how if both are missing."""
    return _open(data.KINETICS, root, config, prepared, (list, dict))


def robotap(root: Path, config: RoboTapConfig, prepared: Path | None = None) -> WithSettings:
    """RoboTAP. Downloads itself if it is missing in `root`."""
    return _open(data.ROBOTAP, root, config, prepared, (dict,))


def _open(
    spec: DatasetSpec, root: Path, config: TapVidConfig, prepared: Path | None, containers: tuple[type, ...]
) -> WithSettings:
    return WithSettings(PreparedDataset(prepared, spec) if prepared else TapVid(spec, root, containers), config)


@dataclass(frozen=True)
class _Place:
    """The place of a clip: its file, and its key in the file."""

    file: Path
    key: str | int


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
        self._places: dict[str, _Place] = {}
        self.shapes: dict[str, VideoShape | None] = {}
        self.files = ensure(spec, root)
        self.notes = missing_shards(self.files)
        indices = self._index(self.files)
        compare_sums({file: index.sha256 for file, index in indices.items()})
        self.identity: dict[str, Json] = {
            "files": [[file.relative_to(root).as_posix(), indices[file].sha256] for file in self.files]
        }
        self.digest = stored_digest(self.identity, {})
        for file, index in indices.items():
            for entry in index.clips:
                self._add(file_safe(entry.key, file), _Place(file, entry.key), entry.shape)
        self.ids = list(self._places)
        complete = len(self.ids) == spec.published_clips
        self.coverage = Coverage(spec.published_clips, len(self.ids), [] if complete else None)

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id.

        Raises:
            UnknownNameError: there is no such clip.
            BadDataError: the clip is unusable. The message names the file, the clip and the fault.
        """
        if clip_id not in self._places:
            raise UnknownNameError(f'{self._set} has no clip "{clip_id}"', plugins.did_you_mean(clip_id, self._places))
        place = self._places[clip_id]
        return self._read(place.file, place.key, clip_id)

    def _index(self, files: Sequence[Path]) -> dict[Path, FileIndex]:
        known = {file: cached_index(file) for file in files}
        unknown = [file for file, index in known.items() if index is None]
        shown = counted(unknown, f"reading {self._set} for the first time", "files", leave=False)
        new = {file: build_index(file, self._list_clips) for file in shown}
        return {file: index or new[file] for file, index in known.items()}

    def _list_clips(self, file: Path) -> list[ClipEntry]:
        return [ClipEntry(key, self._shape(file, key)) for key in load_examples(file, self._containers)]

    def _shape(self, file: Path, key: str | int) -> VideoShape | None:
        try:
            clip = self._read(file, key, str(key))
        except BadDataError:
            return None
        return (clip.num_frames, *clip.size)

    def _read(self, file: Path, key: str | int, clip_id: str) -> Clip:
        name = f'clip "{key}"' if isinstance(key, str) else f"clip {key}"
        return parse_example(load_examples(file, self._containers)[key], clip_id, f"{name} of {file}", self._set)

    def _add(self, clip_id: str, place: _Place, shape: VideoShape | None) -> None:
        if clip_id in self._places:
            raise BadDataError(
                f'{self._set} has two clips "{clip_id}"', f"one in {self._places[clip_id].file}, one in {place.file}"
            )
        self._places[clip_id] = place
        self.shapes[clip_id] = shape
