"""What a data file holds, remembered between runs.

The names of the clips and the file's digest must be known before a run starts, but reading gigabytes for them once is
enough. The index of a file is a small JSON in the cache folder, found by the file's path, valid for its size and time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vgmae_bench.errors import StorageError
from vgmae_bench.files import cache_folder, file_digest, write_atomically

_FORMAT = 1
Shape = tuple[int, int, int]
"""(T, H, W) of a video."""
Stamp = tuple[str, int, int]
"""What tells one state of a file from another: absolute path, size in bytes, time of change in nanoseconds."""


def stamp(path: Path) -> Stamp:
    state = path.stat()
    return str(path.absolute()), state.st_size, state.st_mtime_ns


@dataclass(frozen=True)
class ClipEntry:
    """One clip of a file: its key there, and its video's shape (None when the clip is broken)."""

    key: str | int
    shape: Shape | None


@dataclass(frozen=True)
class FileIndex:
    """SHA-256 (hex) of a file and the clips it holds, in order."""

    sha256: str
    clips: tuple[ClipEntry, ...]


def cached_index(path: Path) -> FileIndex | None:
    """The stored index of a file in its present state, if there is one that can be read."""
    try:
        stored = json.loads(_place(path).read_text(encoding="utf-8"))
        if stored["format"] != _FORMAT or stored["stamp"] != list(stamp(path)):
            return None
        return FileIndex(
            stored["sha256"], tuple(ClipEntry(key, shape and tuple(shape)) for key, shape in stored["clips"])
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None  # never written, or damaged: it is only a cache


def build_index(path: Path, list_clips: Callable[[Path], Sequence[ClipEntry]]) -> FileIndex:
    """Hash a file, list its clips with `list_clips`, and remember both."""
    state = stamp(path)
    index = FileIndex(file_digest(path), tuple(list_clips(path)))
    clips = [[entry.key, entry.shape] for entry in index.clips]
    content = json.dumps({"format": _FORMAT, "stamp": state, "sha256": index.sha256, "clips": clips})
    with suppress(OSError, StorageError):  # a cache that cannot be written costs time, nothing else
        _place(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_place(path), lambda temporary: temporary.write_text(content, encoding="utf-8"))
    return index


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file, remembered where its index is."""
    known = cached_index(path)
    return known.sha256 if known else file_digest(path)


def _place(path: Path) -> Path:
    return cache_folder() / "index" / f"{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:32]}.json"
