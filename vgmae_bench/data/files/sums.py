"""What data files were when they came: their SHA-256 beside them, in the format of `sha256sum --check`.

Nobody publishes digests of these files. So they are recorded when a file is unpacked, or used for the first time, and
compared ever after.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vgmae_bench.errors import BadDataError, StorageError
from vgmae_bench.files import write_atomically

SUMS = "SHA256SUMS"


def read_sums(folder: Path) -> dict[str, str]:
    """SHA-256 (hex) by file name as recorded in a folder; empty where nothing was recorded."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def add_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Record SHA-256 (hex) by file name, over what was recorded of these files before.

    Raises:
        StorageError: they cannot be written.
    """
    lines = [f"{digest}  {name}\n" for name, digest in {**read_sums(folder), **sums}.items()]
    write_atomically(folder / SUMS, lambda temporary: temporary.write_text("".join(lines), encoding="utf-8"))


def compare_sums(sums: Mapping[Path, str], *, record: bool = True) -> None:
    """Compare files with what was recorded of them, and record those seen for the first time, where that can be written.

    Arguments:
        sums: SHA-256 (hex) by file.
        record: False only compares.

    Raises:
        BadDataError: a file is another one than it was; names it.
    """
    for folder in {file.parent for file in sums}:
        recorded = read_sums(folder)
        here = {file.name: digest for file, digest in sums.items() if file.parent == folder}
        for name, digest in here.items():
            if recorded.get(name, digest) != digest:
                raise BadDataError(
                    f"{folder / name} is not what it was when it came",
                    f"its SHA-256 is {digest}, in {SUMS} beside it {recorded[name]}",
                    try_=f"bringing the file again; if you have replaced it yourself: rm {shlex.quote(str(folder / SUMS))}",
                )
        if record and not here.keys() <= recorded.keys():
            with suppress(StorageError):  # a folder that only others may write to
                add_sums(folder, here)
