"""The dataset interface: required and optional Protocols, and `OpenedDataset`, which the rest of the harness reads.

A plugin returns any object that satisfies `Dataset`. Each further capability is a Protocol of its own with one or two
attributes. `open_dataset` looks for them once and returns an `OpenedDataset`, which fills in defaults and checks every
clip. No other code touches a plugin's object.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vgmae_bench import config
from vgmae_bench.config import Json
from vgmae_bench.data.checks import checked_clip
from vgmae_bench.errors import BadDataError, PluginError, UnknownNameError, UserError, damage
from vgmae_bench.plugins import did_you_mean
from vgmae_bench.types import Clip

_LONGEST_ID = 200  # bytes; file systems allow 255, and suffixes are added
VideoShape = tuple[int, int, int]
"""(T, H, W) of a video."""


@runtime_checkable
class Dataset(Protocol):
    """A set of clips, opened lazily. `clip(id)` needs about the memory of that clip.

    Attributes:
        ids: unique clip ids in evaluation order. An id names files, so it has no "/" and does not begin with ".". Any
            iterable works; it is read once.
        digest: SHA-256 (hex), or another text, that changes whenever scores could change. It is part of the protocol's
            hash: tables compare only runs with equal digests.
    """

    @property
    def ids(self) -> Sequence[str]:
        """Clip ids in evaluation order."""

    @property
    def digest(self) -> str:
        """Changes whenever scores could change."""

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id. If it raises, the run notes the error for this clip and continues with the others."""


@runtime_checkable
class HasOptions(Protocol):
    """A dataset with settings. `options` holds the settings that it was opened with, as plain JSON, for the record."""

    options: Mapping[str, Json]


@runtime_checkable
class HasFiles(Protocol):
    """A dataset that is read from files. `files` lists them, for the record."""

    files: Sequence[Path]


@runtime_checkable
class HasCoverage(Protocol):
    """A dataset that knows how much of the published dataset is present."""

    coverage: Coverage


@runtime_checkable
class HasNotes(Protocol):
    """A dataset with remarks on this copy of it. Every run prints each of `notes` on its own line."""

    notes: Sequence[str]


@runtime_checkable
class ChoosesQueries(Protocol):
    """A dataset that can choose the queries itself. If `own_queries` is true, every clip has `Clip.asked`."""

    own_queries: bool


@runtime_checkable
class Stored(Protocol):
    """A dataset in published files. Its prepared form counts as the same dataset.

    Attributes:
        identity: everything that scores depend on, without the settings, as plain JSON: names and SHA-256 of the
            published files. The prepared form keeps it, and thus has the same digest.
        shapes: (T, H, W) by clip id; None for an unusable clip.
    """

    identity: Mapping[str, Json]
    shapes: Mapping[str, VideoShape | None]


@dataclass(frozen=True)
class Coverage:
    """How much of a published dataset is present.

    Attributes:
        published: the number of clips of the published dataset; None if there is no such number.
        here: the number of clips that are present. Pieces of a cut video count as one.
        missing: ids (or files) of the published dataset that are missing; None if they are not known.
    """

    published: int | None
    here: int
    missing: list[str] | None


class OpenedDataset:
    """A dataset as the harness reads it. Its attributes are those of the Protocols above, with defaults filled in.

    Attributes:
        name: the name after `--dataset`.
        source: the plugin's object.
        coverage: None if the dataset does not know it.
        settings: the settings that the user gave.
        published_clips: see `vgmae_bench.specs.DatasetSpec`.

    Raises:
        PluginError: `source` is not a dataset. The message says what it lacks.
        BadDataError: an id is used twice or cannot name files.
    """

    def __init__(
        self, source: Any, name: str, settings: Mapping[str, Any] | None = None, published_clips: int | None = None
    ) -> None:
        self.name, self.settings, self.published_clips = name, settings or {}, published_clips
        self.source: Dataset = source
        try:
            if lacking := [part for part in ("ids", "digest", "clip") if not hasattr(source, part)]:
                raise PluginError(
                    f"The dataset {name} has no {' and no '.join(lacking)}",
                    "a dataset has ids, clip(id), and a digest that changes whenever the scores could",
                    try_="python -c 'import vgmae_bench; help(vgmae_bench.Dataset)'",
                )
            self.digest: str = source.digest
            if not isinstance(self.digest, str) or not self.digest:
                raise PluginError(f"The dataset {name} has no digest", f"it is {self.digest!r}, not a text")
            self.ids = _checked_ids(source.ids, name)
            self._known = frozenset(self.ids)
            options: Any = source.options if isinstance(source, HasOptions) else {}
            if not isinstance(options, Mapping):
                raise TypeError(f"options is a {type(options).__name__}, not settings by name")
            self.options = {str(key): config.to_json(value) for key, value in options.items()}
            self.files = tuple(map(Path, source.files)) if isinstance(source, HasFiles) else ()
            coverage: Any = source.coverage if isinstance(source, HasCoverage) else None
            self.coverage: Coverage | None = coverage if isinstance(coverage, Coverage | None) else Coverage(**coverage)
            self.notes = tuple(map(str, source.notes)) if isinstance(source, HasNotes) else ()
            self.own_queries = isinstance(source, ChoosesQueries) and bool(source.own_queries)
        except UserError:
            raise
        except Exception as error:  # a plugin's property can raise anything
            raise PluginError(f"The dataset {name} cannot be used", f"{type(error).__name__}: {error}") from error

    def __getitem__(self, clip: str | int) -> Clip:
        """The clip with this id, or at this position in evaluation order; see `clip`."""
        return self.clip(clip if isinstance(clip, str) else self.ids[clip])

    def __iter__(self) -> Iterator[Clip]:
        """All clips in evaluation order, one in memory at a time."""
        return (self.clip(clip_id) for clip_id in self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id, checked (`vgmae_bench.data.checks`). Its frames are checked when they are read.

        Raises:
            UnknownNameError: there is no such clip.
            BadDataError: the clip is unusable. Every error of a plugin becomes this one. The message gives the reason.
            MissingDataError: one of its files is missing.
        """
        if clip_id not in self._known:
            raise UnknownNameError(f'{self.name} has no clip "{clip_id}"', did_you_mean(clip_id, self.ids))
        where = f'Clip "{clip_id}" of {self.name} cannot be used'
        with damage(where):
            clip: Any = self.source.clip(clip_id)
            if not isinstance(clip, Clip):
                raise ValueError(f"it is a {type(clip).__name__}, not a vgmae_bench.Clip")
            if clip.id != clip_id:
                raise ValueError(f'its id is "{clip.id}"')
        return checked_clip(clip, where, self.name)


def _checked_ids(given: Any, name: str) -> tuple[str, ...]:
    ids = tuple(given)
    if not ids:
        raise BadDataError(f"The dataset {name} has no clips")
    seen: set[str] = set()
    for clip_id in ids:
        if not isinstance(clip_id, str):
            raise BadDataError(f"The dataset {name} cannot be used", f"each id must be a text, not {clip_id!r}")
        if clip_id in seen:
            raise BadDataError(f'{name} has two clips "{clip_id}"', "ids must be unique")
        try:
            length = len(clip_id.encode())
        except UnicodeEncodeError as error:
            raise BadDataError(
                f"{name} has a clip whose name is not text in UTF-8: {ascii(clip_id)[:40]}",
                "another system probably wrote the name in another encoding",
                try_="renaming its files, or convmv -f latin1 -t utf8 --notest",
            ) from error
        if not clip_id or clip_id[0] == "." or {"/", "\0"} & set(clip_id) or length > _LONGEST_ID:
            raise BadDataError(
                f"{name} has a clip that cannot name files: {clip_id[:40]!r}",
                f'an id has no "/", does not begin with ".", and has 1 to {_LONGEST_ID} bytes',
            )
        seen.add(clip_id)
    return ids


def stored_digest(identity: Mapping[str, Json], options: Mapping[str, Json]) -> str:
    """The digest of a `Stored` dataset: SHA-256 (hex) of its identity and its settings."""
    content = json.dumps({**identity, "options": dict(options)}, sort_keys=True)
    # A dataset without an identity keeps the digest from its preparation.
    return str(identity.get("dataset") or hashlib.sha256(content.encode()).hexdigest())
