"""Gets a dataset's files, by download or from the user's copies. Also makes the error for a missing dataset."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sys
import zipfile
import zlib
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath

from vgmae_bench.data.files.download import download
from vgmae_bench.data.files.root import add_sums, check_disk_space, compare_sums, locate, placed
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.files import ANOTHER_DATA_ROOT, file_digest, locked, storage_errors
from vgmae_bench.plugins import DatasetSpec
from vgmae_bench.progress.bar import BYTES, Progress

_BLOCK = 1 << 20

_VIDEOS_ELSEWHERE = {
    "kinetics": "its videos are on YouTube and may not be redistributed: get the Kinetics-700-2020 validation clips "
    "(https://s3.amazonaws.com/kinetics/700_2020/val/k700_2020_val_path.txt); shards that generate_tapvid.py of "
    "google-deepmind/tapnet has built from them are read as well",
    "kubric": "its scenes are TFDS files: gsutil -m cp 'gs://kubric-public/tfds/movi_e/256x256/1.0.0/*validation*' FOLDER",
    "badja": "it is made of the joint annotations of https://github.com/benjiebob/BADJA and of the DAVIS 2017 frames and "
    "masks in full resolution (https://davischallenge.org), joint_annotations and DAVIS side by side",
}
"""For datasets that cannot be downloaded, or only in part: where their videos come from."""


def ensure(spec: DatasetSpec, root: Path) -> list[Path]:
    """The files of a dataset. If they are missing in `root` and their source is a zip file, they are downloaded first.

    A zip file that is already in `root` is unpacked without a download. Several processes can call this at once: one
    downloads, the others wait.

    Raises:
        MissingDataError: the files do not exist and could not be downloaded. The message says where they were expected,
            where they come from, and which command gets them.
        BadDataError: the archive is damaged, or is not the expected one.
    """
    if files := locate(spec, root):
        return files
    if not _fetches_itself(spec):
        raise missing(spec, root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(root, f".{_folder(spec, root).name}.lock", ANOTHER_DATA_ROOT):
            if not locate(spec, root):
                _fetch(spec, root)
    except OSError as error:
        raise missing(spec, root, f"downloading {spec.source} failed: {error}") from error
    return locate(spec, root)


def fetch(spec: DatasetSpec, root: Path, source: Path | None = None) -> list[Path]:
    """Put the files of a dataset in their place, from `source` if given, otherwise by download.

    Existing files are kept. If the videos cannot be downloaded, only the annotations are.

    Raises:
        MissingDataError, BadDataError: as `ensure` and `install`.
    """
    if spec.preparer and not spec.annotations:
        raise missing(spec, root)
    if source is not None:
        install(spec, root, source)
        return locate(replace(spec, location=f"{_folder(spec, root).name}/*"), root)
    return ensure(replace(spec, location=spec.annotations, annotations="") if spec.annotations else spec, root)


def install(spec: DatasetSpec, root: Path, source: Path) -> None:
    """Copy the user's files of a dataset to their place in `root`: all of them, or none.

    Arguments:
        spec: the dataset.
        root: the data root.
        source: the published zip file, one file of the dataset, or a folder of its files. It is not changed.

    Raises:
        MissingDataError: `source` does not exist or holds none of the files, the disk has no room, or the place is
            taken.
        BadDataError: the archive is damaged.
        StorageError: the files cannot be written.
    """
    location = spec.location
    if spec.annotations and (source.suffix in (".zip", ".csv") or not _files_like(spec.location, source)):
        location = spec.annotations
    with storage_errors(root, ANOTHER_DATA_ROOT):
        root.mkdir(parents=True, exist_ok=True)
        with locked(root, f".{_folder(spec, root).name}.lock", ANOTHER_DATA_ROOT):
            _check_empty(spec, root)
            print_terms(spec)
            if source.suffix == ".zip" and source.is_file():
                unpack(source, location, root)
                return
            files = _files_like(location, source)
            if not files:
                raise MissingDataError(
                    f"{source} holds no {location.rpartition('/')[2]}", f"{spec.name} consists of such files"
                )
            check_disk_space(sum(file.stat().st_size for file in files), root, f"for {spec.name}")
            with placed(_folder(spec, root)) as folder:
                for file in files:
                    shutil.copyfile(file, folder / file.name)
                add_sums(folder, {file.name: file_digest(folder / file.name) for file in files})


@cache
def print_terms(spec: DatasetSpec) -> None:
    """Print the licence and the citation of a dataset to stderr, once per process."""
    print(f"{spec.name}\nLicence: {spec.licence}\nPlease cite: {spec.citation}", file=sys.stderr)


def missing(spec: DatasetSpec, root: Path, why: str = "") -> MissingDataError:
    """The error for a missing dataset: where it was expected, where it comes from, and which command gets it."""
    ways = ["--dataset synth, which needs no download"]
    if _fetches_itself(spec):
        curl = f"curl -L -C - --create-dirs -o {shlex.quote(str(_archive(spec, root)))} {spec.source}"
        ways.insert(0, f"{curl} (no need to unpack)")
    elif spec.preparer:
        why = why or _VIDEOS_ELSEWHERE.get(spec.name, "")
        annotations = f"vgmae-bench data fetch {spec.name}, then " if spec.annotations else ""
        ways.insert(0, f"{annotations}vgmae-bench data prepare {spec.name} --from FOLDER")
    what, why = f"{spec.name} is not at {root / spec.location}", why or f"it comes from {spec.source}"
    return MissingDataError(what, why, try_=", or use ".join(ways))


def _files_like(location: str, source: Path) -> list[Path]:
    """The file `source`, or the files in it (or in the folder in it that `location` names), if their names fit `location`."""
    folder, _, pattern = location.partition("/")
    if source.is_file():
        return [source] if fnmatchcase(source.name, pattern) else []
    return sorted(source.glob(pattern)) or sorted((source / folder).glob(pattern))


def _fetches_itself(spec: DatasetSpec) -> bool:
    return spec.source.endswith(".zip") and not spec.annotations


def _archive(spec: DatasetSpec, root: Path) -> Path:
    return root / spec.source.rpartition("/")[2]


def _folder(spec: DatasetSpec, root: Path) -> Path:
    return root / spec.location.partition("/")[0]


def _check_empty(spec: DatasetSpec, root: Path) -> None:
    """Raises MissingDataError if the folder of the dataset is not empty."""
    target = _folder(spec, root)
    if target.is_dir() and any(target.iterdir()):
        raise MissingDataError(
            f"{spec.name} is not at {root / spec.location}",
            f"{target} is not empty, and holds other files",
            try_=shlex.join(["mv", str(target), f"{target}.old"]),
        )


def _fetch(spec: DatasetSpec, root: Path) -> None:
    _check_empty(spec, root)
    print_terms(spec)
    print(f"Fetching {spec.name} from {spec.source}", file=sys.stderr)
    archive = _archive(spec, root)
    downloaded = not archive.exists()
    if downloaded:
        download(spec.source, archive)
    digest = {archive: file_digest(archive)}
    compare_sums(digest, record=False)
    try:
        unpack(archive, spec.location, root)
    except BadDataError as error:
        if downloaded:
            archive.unlink()
        again = "the same command: it downloads it again" if downloaded else f"rm {shlex.quote(str(archive))}"
        raise BadDataError(error.what, error.why, try_=again) from error
    compare_sums(digest)
    if downloaded:
        archive.unlink()


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
