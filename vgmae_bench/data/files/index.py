"""The cached index of a data file: its digest and its clips.

A run needs both before it starts, and reading gigabytes each time would be slow. A small JSON file in the cache folder
keeps them. An index belongs to a path. It is valid while the file's size and modification time stay the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vgmae_bench.data.dataset import VideoShape
from vgmae_bench.errors import StorageError
from vgmae_bench.files import cache_folder, file_digest, write_atomically

_FORMAT = 1
ClipEntry = tuple[str | int, VideoShape | None]
"""A clip's key in its file, and (T, H, W) of its video; None for a broken clip."""
Stamp = tuple[str, int, int]
"""The state of a file: absolute path, size in bytes, modification time in nanoseconds."""


def stamp(path: Path) -> Stamp:
    """The present state of a file. Raises OSError if it cannot be read."""
    state = path.stat()
    return str(path.absolute()), state.st_size, state.st_mtime_ns


class FileIndex(NamedTuple):
    """The content of a file.

    Attributes:
        sha256: hex.
        clips: its clips, in order.
    """

    sha256: str
    clips: list[ClipEntry]


def cached_index(path: Path) -> FileIndex | None:
    """The cached index of a file; None if there is none, or if the file has changed since."""
    try:
        stored = json.loads(_place(path).read_text(encoding="utf-8"))
        if stored["format"] != _FORMAT or stored["stamp"] != list(stamp(path)):
            return None
        return FileIndex(stored["sha256"], [(key, shape and tuple(shape)) for key, shape in stored["clips"]])
    except (OSError, ValueError, LookupError, TypeError):
        return None  # missing or damaged; it can be made again


def build_index(path: Path, list_clips: Callable[[Path], list[ClipEntry]]) -> FileIndex:
    """Hash a file, list its clips with `list_clips`, and cache both.

    Raises:
        OSError: the file cannot be read. A cache that cannot be written raises nothing.
    """
    state = stamp(path)
    index = FileIndex(file_digest(path), list_clips(path))
    content = json.dumps({"format": _FORMAT, "stamp": state, **index._asdict()})
    with suppress(OSError, StorageError):  # without a cache, the next run is only slower
        _place(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_place(path), lambda temporary: temporary.write_text(content, encoding="utf-8"))
    return index


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file, from its cached index if there is one."""
    known = cached_index(path)
    return known.sha256 if known else file_digest(path)


def _place(path: Path) -> Path:
    return cache_folder() / "index" / f"{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:32]}.json"
