"""SHA-256 digests of data files, kept beside them in the format of `sha256sum --check`.

The publishers give no digests of these files. So a file's digest is recorded when it is unpacked or first used, and
compared at each later use.
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
    """The recorded digests of a folder: SHA-256 (hex) by file name; empty if nothing was recorded."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def add_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Record digests: SHA-256 (hex) by file name. Earlier digests of the same files are replaced.

    Raises:
        StorageError: the digests cannot be written.
    """
    lines = [f"{digest}  {name}\n" for name, digest in {**read_sums(folder), **sums}.items()]
    write_atomically(folder / SUMS, lambda temporary: temporary.write_text("".join(lines), encoding="utf-8"))


def compare_sums(sums: Mapping[Path, str], *, record: bool = True) -> None:
    """Compare the digests of files with the recorded ones. Record those of new files if the folder is writable.

    Arguments:
        sums: SHA-256 (hex) by file.
        record: whether to record the digests of new files.

    Raises:
        BadDataError: a file has changed since its digest was recorded. The message names it.
    """
    for file, digest in sums.items():
        recorded = read_sums(file.parent).get(file.name)
        if recorded not in (None, digest):
            raise BadDataError(
                f"{file} has changed since it was first used",
                f"its SHA-256 is {digest}; {SUMS} beside it says {recorded}",
                try_=f"fetching the file again, or, if you replaced it: rm {shlex.quote(str(file.with_name(SUMS)))}",
            )
        if record and recorded is None:
            with suppress(StorageError):  # the folder is read-only for this user
                add_sums(file.parent, {file.name: digest})
