"""The data root, the files of a dataset in it, and their recorded digests.

The publishers give no digests of these files. So a file's SHA-256 is recorded when it is unpacked or first used, and
compared at each later use. It is kept beside the file, in the format of `sha256sum --check`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vgmae_bench.errors import BadDataError, MissingDataError, StorageError
from vgmae_bench.files import ANOTHER_DATA_ROOT, natural_order, write_atomically
from vgmae_bench.plugins import DatasetSpec

SUMS = "SHA256SUMS"


def data_root(explicit: Path | None = None) -> Path:
    """The folder that holds the datasets: `--data-root`, otherwise $VGMAE_BENCH_DATA, otherwise the user's data folder."""
    import platformdirs

    configured = explicit or os.environ.get("VGMAE_BENCH_DATA")
    folder = Path(configured) if configured else platformdirs.user_data_path("vgmae-bench", appauthor=False)
    return folder.expanduser().absolute()


def locate(spec: DatasetSpec, root: Path) -> list[Path]:
    """The existing files of a dataset: those that match `spec.location`, in natural order (split2 before split10)."""
    if not spec.location:
        return []
    return sorted((path for path in root.glob(spec.location) if path.is_file()), key=natural_order)


@contextmanager
def placed(folder: Path) -> Iterator[Path]:
    """A new folder to fill. At the end of the block it becomes `folder` in one step, which must be empty or not exist."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        new = Path(temporary, folder.name)
        new.mkdir()
        yield new
        os.replace(new, folder)  # write_atomically cannot move a whole folder


def prepared_path(root: Path, name: str) -> Path:
    """The path of the prepared file of a dataset. The file need not exist."""
    return root / "prepared" / f"{name}.h5"


def check_disk_space(needed: int, folder: Path, what: str) -> None:
    """Refuse work for which the disk has no room.

    Arguments:
        needed: bytes.
        folder: a folder on that disk.
        what: the purpose, for the error: "to unpack the data".

    Raises:
        MissingDataError: the disk has less than `needed` bytes free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise MissingDataError(
            f"There is not enough disk space {what}",
            f"it takes {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB",
            try_=ANOTHER_DATA_ROOT,
        )


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
