"""Files on disk: atomic writes, digests, the natural order of names, and the cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import socket
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from vgmae_bench.errors import StorageError

_LONGEST_BEGINNING, _LONGEST_HOST = 190, 20  # bytes; file systems allow 255 in a name

ANOTHER_RESULTS_FOLDER = "another results folder with --out DIR"
ANOTHER_DATA_ROOT = "another place, with --data-root or VGMAE_BENCH_DATA"


@contextmanager
def storage_errors(path: Path, try_: str = ANOTHER_RESULTS_FOLDER) -> Iterator[None]:
    """Convert write errors below `path` to a StorageError with a command to try."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"Cannot write to {path}", error.strerror or str(error), try_=try_) from error


def make_folder(folder: Path, try_: str = ANOTHER_RESULTS_FOLDER) -> None:
    """Create a folder and its parents, unless it is there. Raises StorageError if that fails."""
    with storage_errors(folder, try_):
        folder.mkdir(parents=True, exist_ok=True)


def write_atomically(path: Path, write: Callable[[Path], object], try_: str = ANOTHER_RESULTS_FOLDER) -> None:
    """Write a file atomically: `write` fills a temporary file, which is flushed to disk and moved to `path`.

    A failure leaves no file behind. Several processes and machines may write the same path at once; the last one wins.

    Arguments:
        path: the file; its folder must exist.
        write: a function that writes the file at the path that it gets.
        try_: the command that an error suggests.

    Raises:
        StorageError: the disk is full or read-only, or another system error occurred.
    """
    temporary = _temporary(path)
    with storage_errors(path, try_):
        try:
            write(temporary)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_npz(path: Path, **arrays: Any) -> None:
    """Write arrays into a compressed NPZ file, see `write_atomically`. The same arrays give the same bytes."""
    import numpy as np

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # an open file: NumPy would append .npz to a name
            np.savez_compressed(file, **arrays)

    write_atomically(path, write)


def _temporary(path: Path) -> Path:
    """A unique name in the folder of `path`. Containers on shared storage may have equal process ids and host names."""
    beginning = path.name.encode()[:_LONGEST_BEGINNING].decode(errors="ignore")
    host = re.sub(r"\W", "-", socket.gethostname())[:_LONGEST_HOST]
    return path.with_name(f".{beginning}.{host}-{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextmanager
def locked(folder: Path, name: str = ".lock", try_: str = ANOTHER_RESULTS_FOLDER) -> Iterator[None]:
    """Hold a lock, so that only one process at a time reads, changes and writes files of a folder.

    The lock ends with the process, even after a crash. If the storage does not support locks, the block runs without one.

    Arguments:
        name: the name of the lock's file in the folder.
        try_: the command that an error suggests.

    Raises:
        StorageError: the lock's file cannot be created.
    """
    with storage_errors(folder, try_):
        file = (folder / name).open("a")
    with file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cache_folder() -> Path:
    """The folder for files that can be recreated: $VGMAE_BENCH_CACHE, otherwise the user's cache folder."""
    import platformdirs

    configured = os.environ.get("VGMAE_BENCH_CACHE")
    folder = Path(configured) if configured else platformdirs.user_cache_path("vgmae-bench", appauthor=False)
    return folder.expanduser().absolute()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def visible_files(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Every folder below `root` (and `root` itself) with its files. Names that begin with a dot are left out."""
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        yield Path(folder), [Path(folder, name) for name in names if not name.startswith(".")]


def in_natural_order(paths: Iterable[Path], root: Path) -> list[Path]:
    """Paths below `root`, sorted part by part, see `natural_order`."""
    return sorted(paths, key=lambda path: [natural_order(Path(part)) for part in path.relative_to(root).parts])


NUMBER = r"(?<![^\W_])(?<!\d[.,])[-\u2212]?\d+(?:[.,]\d+)?(?![.,]?\d)|\d+"
"""A number in a file name. A minus sign belongs to it unless a letter or digit precedes the sign. One point or comma separates
decimals; in "1.2.3", each part is a number."""


def natural_order(path: Path, number: str = NUMBER) -> list[tuple[int, Decimal, str]]:
    """A sort key for the natural order of names: split2 before split10, 0.05 before 0.1, -3 before 2.

    Arguments:
        path: only its name counts.
        number: the regular expression of a number, without groups.
    """
    name = unicodedata.normalize("NFC", path.name)
    parts = re.split(f"({number})", name)  # text and numbers alternate
    # All keys have the same form, so that a number is never compared with text. The full name decides between 1 and 01.
    keys = [(1, _decimal(part), "") if index % 2 else (0, Decimal(0), part) for index, part in enumerate(parts)]
    return [*keys, (0, Decimal(0), path.name)]


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(",", ".").replace("\u2212", "-"))
