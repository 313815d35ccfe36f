"""The data root, and the files of a dataset in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vgmae_bench.errors import MissingDataError
from vgmae_bench.files import ANOTHER_DATA_ROOT, natural_order
from vgmae_bench.plugins import DatasetSpec


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
