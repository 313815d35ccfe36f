"""Downloads large files. Interrupted downloads continue, versions never mix, and the file appears when it is complete."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import logging
import os
import shlex
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

from vgmae_bench.data.files.root import check_disk_space, compare_sums
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.files import file_digest, locked, make_folder
from vgmae_bench.progress.bar import BYTES, Progress

_ATTEMPTS = 5
_BLOCK = 1 << 20
_TIMEOUT = 30.0
_ELSEWHERE = "another place, with VGMAE_BENCH_CACHE"
_log = logging.getLogger(__name__)


def download(url: str, target: Path) -> None:
    """Download `url` to `target`.

    Bytes are kept in `<target>.part`, and the version that the server named in `<target>.part.json`. A later call
    continues an interrupted download. After a broken connection, it tries again, up to 5 times in all.

    Raises:
        OSError: there is no connection, the server refuses, the connection broke too often, or the file's MD5 differs
            from the server's (Google's storage and many others send one). Its text gives the reason.
        MissingDataError: the disk has no room.
    """
    part = Path(f"{target}.part")
    try:
        if not any(_transfer(url, part) for _ in range(_ATTEMPTS)):
            raise ConnectionError(f"the connection broke {_ATTEMPTS} times; the same command continues from there")
    except urllib.error.HTTPError as error:
        error.close()
        raise ConnectionError(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise ConnectionError(f"{error.reason}") from error
    except http.client.HTTPException as error:
        raise ConnectionError(f"the server's answer is not valid HTTP ({error!r})") from error
    known = _read_mark(part, url) or {}
    _mark_file(part).unlink(missing_ok=True)
    if (md5 := known.get("md5")) and _md5(part) != md5:
        part.unlink()
        raise ConnectionError(
            "the downloaded file is damaged (its MD5 is not the one that the server names) and was deleted"
        )
    os.replace(part, target)  # not write_atomically: an interrupted download keeps its part, so that it can continue


def _transfer(url: str, part: Path) -> bool:
    """Download over one connection. Returns True when the file is complete, False when another try is needed."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    known = _read_mark(part, url)
    offset = part.stat().st_size if known and part.exists() else 0
    if known and offset == known["total"]:
        return True
    if known and offset:
        request.add_header("Range", f"bytes={offset}-")
        request.add_header("If-Range", known["mark"])
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        error.close()
        part.unlink()  # it is longer than the file on the server
        return False
    with response:
        if response.status == HTTPStatus.PARTIAL_CONTENT and known:
            total = known["total"]
            if response.headers["Content-Range"] != f"bytes {offset}-{total - 1}/{total}":
                part.unlink()
                return False
        else:  # from the start: there was no part, or the file has changed since
            offset = 0
            length = response.headers["Content-Length"]
            total = int(length) if length else None
            _write_mark(part, url, response.headers, total)
        check_disk_space((total or 0) - offset, part.parent, f"for {part.stem}")
        return _receive(response, part, offset, total)


def _receive(response: http.client.HTTPResponse, part: Path, offset: int, total: int | None) -> bool:
    progress = Progress(f"downloading {part.stem}", BYTES, total, done=offset)
    with progress, part.open("ab" if offset else "wb") as file:
        try:
            while block := response.read(_BLOCK):
                file.write(block)
                progress.advance(len(block))
        except (ConnectionError, TimeoutError, http.client.HTTPException):
            return False
        return total is None or file.tell() == total


def _md5(path: Path) -> str:
    """The MD5 of a file in base 64, the form that servers use."""
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "md5").digest()).decode()


def _mark_file(part: Path) -> Path:
    return Path(f"{part}.json")


def _write_mark(part: Path, url: str, headers: http.client.HTTPMessage, total: int | None) -> None:
    """Record which version is being downloaded. If-Range accepts a strong entity tag or a date, but no weak tag."""
    tag = headers["ETag"]
    mark = tag if tag and not tag.startswith("W/") else headers["Last-Modified"]
    if mark and total is not None:
        stored = [hash_ for line in headers.get_all("x-goog-hash", []) for hash_ in line.replace(" ", "").split(",")]
        md5 = next((hash_.removeprefix("md5=") for hash_ in stored if hash_.startswith("md5=")), headers["Content-MD5"])
        known = {"url": url, "mark": mark, "total": total, "md5": md5}
        _mark_file(part).write_text(json.dumps(known), encoding="utf-8")
    else:
        _mark_file(part).unlink(missing_ok=True)


def _read_mark(part: Path, url: str) -> dict[str, Any] | None:
    try:
        known = json.loads(_mark_file(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known if known.get("url") == url and isinstance(known.get("total"), int) else None


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
