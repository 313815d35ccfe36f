"""One file by its address, fetched once, kept in a folder and checked at every use."""

from __future__ import annotations

import logging
import shlex
import urllib.parse
from pathlib import Path

from vgmae_bench.data.files.download import download
from vgmae_bench.data.files.sums import compare_sums
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.files import file_digest, locked, make_folder

_log = logging.getLogger(__name__)
_ELSEWHERE = "another place, with VGMAE_BENCH_CACHE"


def ensure_file(url: str, folder: Path, *, what: str, size: int | None = None, sha256: str = "") -> tuple[Path, str]:
    """The file of an address in `folder`. If it is not there, it is downloaded. An interrupted download continues.

    Several processes can ask for it at once: one downloads, the others wait.

    Arguments:
        url: the last part of its path names the file.
        what: what the file is, for messages.
        size: in bytes; None: not known.
        sha256: hex, or its first digits. Empty: recorded when the file is first there, and compared later.

    Returns:
        The file, and its SHA-256 (hex).

    Raises:
        MissingDataError: it is not there and could not be downloaded, or the disk has no room.
        BadDataError: it is another file than it should be. A fresh download is then deleted.
        StorageError: the folder cannot be written.
    """
    target = folder / urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]
    fresh = not target.is_file()
    if fresh:
        make_folder(folder, _ELSEWHERE)
        with locked(folder):
            fresh = not target.is_file()
            if fresh:
                _log.info(f"fetching  {what} from {url}")
                _download(url, target, what)
    digest = file_digest(target)
    if (size is not None and target.stat().st_size != size) or not digest.startswith(sha256.lower()):
        found = f"it has {target.stat().st_size} bytes and the SHA-256 {digest}"
        wanted = ", ".join([f"{size} bytes"] * (size is not None) + [f"SHA-256 {sha256}"] * bool(sha256))
        if fresh:
            target.unlink()
            raise BadDataError(f"{url} is not {what}", f"{found}; expected: {wanted}. It was deleted")
        raise BadDataError(
            f"{target} is not {what}", f"{found}; expected: {wanted}", try_=f"rm {shlex.quote(str(target))}"
        )
    compare_sums({target: digest})
    return target, digest


def _download(url: str, target: Path, what: str) -> None:
    try:
        download(url, target)
    except OSError as error:
        curl = f"curl -L -C - --create-dirs -o {shlex.quote(str(target))} {shlex.quote(url)}"
        fault = f"{what[:1].upper()}{what[1:]} could not be fetched"
        raise MissingDataError(fault, f"downloading {url} failed: {error}", try_=curl) from error
