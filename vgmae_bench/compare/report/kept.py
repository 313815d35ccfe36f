"""A cache of plots, so that the next report of the same runs is fast.

The file's name is a digest of everything that determines a plot: its name, the runs' records and scores, and the code
and data of `vgmae_bench.compare`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import matplotlib

from vgmae_bench.compare.row import Row
from vgmae_bench.errors import StorageError
from vgmae_bench.files import cache_folder, file_digest, write_atomically

MOST_KEPT = 256
"""The largest number of plots in the cache. Older ones are deleted."""
DECIDING = ("record.json", "summary.json", "metrics.csv", "metrics_over_time.csv")
"""The files of a run that plots read."""


def picture_path(name: str, rows: Sequence[Row]) -> Path:
    """Where a plot of these runs is kept.

    Arguments:
        name: the plot's name.
        rows: the runs; their order counts.
    """
    files = [row.run.path / file for row in rows for file in DECIDING]
    digests = [file_digest(file) if file.is_file() else "none" for file in files]
    digest = hashlib.sha256(" ".join([name, matplotlib.__version__, _code(), *digests]).encode()).hexdigest()
    return cache_folder() / "pictures" / f"{digest[:32]}.json"


def read_picture(path: Path) -> dict[str, str] | None:
    """The texts that `keep_picture` wrote; None if there are none, or the file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and all(isinstance(value, str) for value in found.values()) else None


def keep_picture(path: Path, texts: Mapping[str, str]) -> None:
    """Write texts into the cache. If the folder cannot be written to, the next report makes the plot again."""
    with contextlib.suppress(OSError, StorageError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda temporary: temporary.write_text(json.dumps(texts), encoding="utf-8"))
        kept = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in kept[:-MOST_KEPT]:
            file.unlink(missing_ok=True)


@cache
def _code() -> str:
    """A digest of the files of `vgmae_bench.compare`: source, published numbers, claims and palette."""
    files = sorted(file for file in Path(__file__).parents[1].rglob("*.*") if file.suffix != ".pyc")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
