"""Clip names as file names, and the numbers in the names of sharded files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from vgmae_bench.errors import BadDataError

_SHARD = re.compile(r"(\d+)_of_(\d+)")
_LONGEST_NAME = 180  # bytes; file systems allow 255, including suffixes and marks of temporary files
_DIGEST = 16  # hexadecimal digits


def file_safe(key: str | int, file: Path) -> str:
    """A clip's name as a file name: letters, digits, "_", "-" and inner dots stay; other characters are percent-encoded.

    Different names stay different. "+" is always encoded, so that pieces of a cut video never have another clip's name.

    Raises:
        BadDataError: the name is empty.
    """
    if isinstance(key, int):
        shard = _SHARD.fullmatch(file.stem)
        return f"{shard[1]}-{key:04d}" if shard else f"{key:04d}"
    name = quote(key, safe="").replace("~", "%7E")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    if not name:
        raise BadDataError(f"{file} has a clip that cannot be named", "its name is empty")
    return shortened(name)


def shortened(name: str) -> str:
    """An ASCII file name that leaves room for suffixes. A long name is cut and ends with a digest of the whole name."""
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    beginning = re.sub("%.?$", "", name[: _LONGEST_NAME - _DIGEST - 1])  # whole escapes only
    return f"{beginning}-{digest}"


def missing_shards(files: Sequence[Path]) -> list[str]:
    """A sentence on the missing shards of a sharded dataset: which of the files 0 … M - 1 of M do not exist.

    Raises:
        BadDataError: the files belong to several ways of sharding.
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
    return [f"{len(missing)} of {totals[0]} shards are missing ({named}): scores cover only a part of the dataset"]
