"""Datasets that fetch themselves, and what to say of those that are not there."""

from __future__ import annotations

import fcntl
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vgmae_bench.data.archive import unpack
from vgmae_bench.data.download import download
from vgmae_bench.data.root import locate
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.plugins import DatasetSpec

_OTHERWISE = "or use --dataset synth, which needs no download"
_KINETICS = (
    "its videos are on YouTube and may not be handed on: get the Kinetics-700-2020 validation clips "
    "(https://s3.amazonaws.com/kinetics/700_2020/val/k700_2020_val_path.txt) and the annotations "
    "(https://storage.googleapis.com/dm-tapnet/tapvid_kinetics.zip), then build the files with generate_tapvid.py from "
)


def ensure(spec: DatasetSpec, root: Path) -> list[Path]:
    """The files of a dataset, downloaded first when they are not below `root` and its source is a zip.

    `<root>/<name of the zip>` is unpacked without a download where it already lies. Several processes may call this at
    once: one downloads, the others wait.

    Raises:
        MissingDataError: they are not there and could not be fetched; says where they were looked for, where they come
            from and how to put them there.
        BadDataError: the archive is damaged or not the one expected.
    """
    if files := locate(spec, root):
        return files
    if not _fetches_itself(spec):
        raise missing(spec, root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root / f".{_folder(spec, root).name}.lock"):
            if not locate(spec, root):
                _fetch(spec, root)
    except OSError as error:
        raise missing(spec, root, f"downloading {spec.source} failed: {error}") from error
    return locate(spec, root)


def missing(spec: DatasetSpec, root: Path, why: str = "") -> MissingDataError:
    """The error for a dataset that is not there: where it was looked for, where it comes from, how to put it there."""
    what = f"{spec.name} is not at {root / spec.location}"
    if _fetches_itself(spec):
        curl = f"curl -L -C - --create-dirs -o {shlex.quote(str(_archive(spec, root)))} {spec.source}"
        return MissingDataError(
            what, why or f"it comes from {spec.source}", try_=f"{curl} (no need to unpack), {_OTHERWISE}"
        )
    if spec.name != "kinetics":
        return MissingDataError(what, why or f"it comes from {spec.source}", try_=_OTHERWISE.removeprefix("or use "))
    folder = shlex.quote(str((root / spec.location).parent))
    build = (
        f"python generate_tapvid.py --input_csv_path=<csv> --video_root_path=<mp4 folder> --output_base_path={folder}"
    )
    return MissingDataError(what, why or f"{_KINETICS}{spec.source}", try_=f"{build}, {_OTHERWISE}")


def _fetches_itself(spec: DatasetSpec) -> bool:
    return spec.source.endswith(".zip")


def _archive(spec: DatasetSpec, root: Path) -> Path:
    return root / spec.source.rpartition("/")[2]


def _folder(spec: DatasetSpec, root: Path) -> Path:
    return root / spec.location.partition("/")[0]


def _fetch(spec: DatasetSpec, root: Path) -> None:
    target = _folder(spec, root)
    if target.is_dir() and any(target.iterdir()):
        raise MissingDataError(
            f"{spec.name} is not at {root / spec.location}",
            f"and {target} is in the way of unpacking it",
            try_=shlex.join(["mv", str(target), f"{target}.old"]),
        )
    print(
        f"Fetching {spec.name} from {spec.source}\nLicence: {spec.licence}\nPlease cite: {spec.citation}",
        file=sys.stderr,
    )
    archive = _archive(spec, root)
    downloaded = not archive.exists()
    if downloaded:
        download(spec.source, archive)
    try:
        unpack(archive, spec.location, root)
    except BadDataError as error:
        if downloaded:
            archive.unlink()
        again = "the same command: it downloads it again" if downloaded else f"rm {shlex.quote(str(archive))}"
        raise BadDataError(error.what, error.why, try_=again) from error
    if downloaded:
        archive.unlink()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
