"""Unpacks the zip archive of a dataset. Every byte is checked, and the folder appears only when it is complete."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from vgmae_bench.data.files.root import check_disk_space, placed
from vgmae_bench.data.files.sums import add_sums
from vgmae_bench.errors import BadDataError
from vgmae_bench.progress.bar import BYTES, Progress

_BLOCK = 1 << 20


def unpack(archive: Path, location: str, root: Path) -> None:
    """Unpack one folder of a zip archive into `root`, and record the digests of its files.

    Every byte is checked against the CRCs of the archive. The folder appears in one step when it is complete.

    Arguments:
        archive: the zip file.
        location: "folder/pattern": the folder to unpack, and the file (or pattern of files) that it must contain.
        root: the parent of the new folder. `root/folder` must be empty or not exist.

    Raises:
        BadDataError: the archive is not a zip file, is damaged, lacks files, or has names that point outside its
            folder.
        MissingDataError: the disk has no room.
    """
    try:
        with zipfile.ZipFile(archive) as zipped, placed(root / location.partition("/")[0]) as folder:
            members = _members(zipped, location, archive)
            check_disk_space(sum(info.file_size for info in members.values()), root, "to unpack the data")
            add_sums(folder, _extract(zipped, members, folder))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadDataError(f"{archive} is damaged", str(error)) from error


def _members(zipped: zipfile.ZipFile, location: str, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The files in the folder of `location`, by their name in it.

    Raises:
        BadDataError: a name in the archive points outside its folder, or no file fits `location`.
    """
    folder = location.partition("/")[0] + "/"
    names = [info.filename for info in zipped.infolist()]
    for name in names:
        parts = PurePosixPath(name).parts
        if ".." in parts or name.startswith("/") or "\\" in name or ":" in name:
            raise BadDataError(
                f"{archive} is not safe to unpack", f'it holds "{name}", which points outside its folder'
            )
    if not any(fnmatchcase(name, location) for name in names):
        raise BadDataError(f"{archive} is not the expected archive", f"it holds no {location}")
    files = [info for info in zipped.infolist() if info.filename.startswith(folder) and not info.is_dir()]
    return {info.filename.removeprefix(folder): info for info in files}


def _extract(zipped: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], into: Path) -> dict[str, str]:
    """Unpack files into a folder. Returns their SHA-256 (hex) by name."""
    sums = {}
    with Progress("unpacking", BYTES, sum(info.file_size for info in members.values())) as progress:
        for name, info in members.items():
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with zipped.open(info) as source, target.open("wb") as file:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
                    progress.advance(len(block))
            sums[name] = digest.hexdigest()
    return sums
