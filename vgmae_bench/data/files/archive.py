"""Unpacking a dataset's zip: checked while it is read, all in place or nothing."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from vgmae_bench.data.files.root import check_disk_space
from vgmae_bench.data.files.sums import add_sums
from vgmae_bench.errors import BadDataError

_BLOCK = 1 << 20


def unpack(archive: Path, location: str, root: Path) -> None:
    """Unpack the folder of `location` from a zip into `root`, with the digests of its files in SHA256SUMS beside them.

    Every byte is checked against the archive's CRCs on the way. The folder appears in one step when it is complete.

    Arguments:
        archive: the zip.
        location: "folder/pattern": the folder to unpack, and the file (or pattern of files) that must be in it.
        root: the folder to unpack into; its `folder` must not be there yet, or be empty.

    Raises:
        BadDataError: not a zip, damaged, without the files expected, or with names that lead out of the folder.
        MissingDataError: no room on the disk.
    """
    folder = location.partition("/")[0]
    try:
        with (
            zipfile.ZipFile(archive) as zipped,
            tempfile.TemporaryDirectory(dir=root, prefix=f".{folder}-") as temporary,
        ):
            members = _members(zipped, location, archive)
            check_disk_space(sum(info.file_size for info in members), root, "to unpack the data")
            sums = _extract(zipped, members, Path(temporary))
            unpacked = Path(temporary, folder)
            add_sums(unpacked, {str(PurePosixPath(name).relative_to(folder)): sums[name] for name in sums})
            target = root / folder
            if target.exists():
                target.rmdir()
            os.replace(unpacked, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadDataError(f"{archive} is damaged", str(error)) from error


def _members(zipped: zipfile.ZipFile, location: str, archive: Path) -> list[zipfile.ZipInfo]:
    """The files below the folder of `location`. One name that leads elsewhere condemns the archive."""
    folder = location.partition("/")[0]
    names = [info.filename for info in zipped.infolist()]
    for name in names:
        parts = PurePosixPath(name).parts
        if ".." in parts or name.startswith("/") or "\\" in name or ":" in name:
            raise BadDataError(f"{archive} is not safe to unpack", f'it holds "{name}", which leads out of its folder')
    if not any(fnmatchcase(name, location) for name in names):
        raise BadDataError(f"{archive} is not the archive expected", f"it holds no {location}")
    return [info for info in zipped.infolist() if info.filename.startswith(f"{folder}/") and not info.is_dir()]


def _extract(zipped: zipfile.ZipFile, members: list[zipfile.ZipInfo], into: Path) -> dict[str, str]:
    sums = {}
    total = sum(info.file_size for info in members)
    with tqdm(total=total, desc="Unpacking", unit="B", unit_scale=True, disable=None) as bar:
        for info in members:
            target = into / info.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with zipped.open(info) as source, target.open("wb") as file:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
                    bar.update(len(block))
            sums[info.filename] = digest.hexdigest()
    return sums
