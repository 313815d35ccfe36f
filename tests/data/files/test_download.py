from __future__ import annotations

import base64
import hashlib
import json
import resource
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.files.server import Server, serve
from vgmae_bench.data.files.download import download
from vgmae_bench.errors import MissingDataError

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        running.files["a.zip"] = CONTENT
        yield running


def test_a_file_arrives_whole_and_alone(server: Server, tmp_path: Path) -> None:
    download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_an_interrupted_download_resumes_at_the_same_byte(server: Server, tmp_path: Path) -> None:
    server.cut_after = [4000, 3000]
    download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["", "bytes=4000-", "bytes=7000-"]


def test_a_later_call_continues(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1000] * 5
    with pytest.raises(OSError, match="the connection broke 5 times"):
        download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
    server.requests.clear()
    download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=5000-"]


def interrupted(server: Server, folder: Path) -> Path:
    """An interrupted download. Returns its target."""
    server.cut_after = [1000] * 5
    with pytest.raises(OSError, match="broke"):
        download(f"{server.url}/a.zip", folder / "a.zip")
    return folder / "a.zip"


@pytest.mark.parametrize(
    "new", [CONTENT[::-1], CONTENT[:2000], b"short"], ids=["same size", "smaller", "below the part"]
)
def test_a_file_that_changed_on_the_server_is_downloaded_again(server: Server, tmp_path: Path, new: bytes) -> None:
    target = interrupted(server, tmp_path)
    server.files["a.zip"] = new
    download(f"{server.url}/a.zip", target)
    assert target.read_bytes() == new


@pytest.mark.parametrize("etags", [False, "weak"])
def test_without_an_etag_nothing_is_resumed(server: Server, tmp_path: Path, etags: bool | str) -> None:
    server.etags = etags
    target = interrupted(server, tmp_path)
    server.requests.clear()
    download(f"{server.url}/a.zip", target)
    assert target.read_bytes() == CONTENT
    assert server.requests == [("a.zip", "")]


def test_a_partial_file_of_another_url_is_not_resumed(server: Server, tmp_path: Path) -> None:
    target = interrupted(server, tmp_path)
    server.files["b.zip"] = b"other"
    download(f"{server.url}/b.zip", target)
    assert target.read_bytes() == b"other"


def test_a_complete_partial_file_needs_no_connection(server: Server, tmp_path: Path) -> None:
    target = interrupted(server, tmp_path)
    Path(f"{target}.part").write_bytes(CONTENT)
    server.requests.clear()
    download(f"{server.url}/a.zip", target)
    assert target.read_bytes() == CONTENT
    assert server.requests == []


def test_a_partial_file_that_is_too_long_is_downloaded_again(server: Server, tmp_path: Path) -> None:
    target = interrupted(server, tmp_path)
    Path(f"{target}.part").write_bytes(CONTENT + b"more")
    download(f"{server.url}/a.zip", target)
    assert target.read_bytes() == CONTENT


def test_a_damaged_version_file_is_ignored(server: Server, tmp_path: Path) -> None:
    target = interrupted(server, tmp_path)
    Path(f"{target}.part.json").write_text("{")
    download(f"{server.url}/a.zip", target)
    assert target.read_bytes() == CONTENT


def test_a_download_without_a_content_length_is_accepted(server: Server, tmp_path: Path) -> None:
    server.lengths = False
    download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_the_servers_error_is_shown(server: Server, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the server answered 404 Not Found"):
        download(f"{server.url}/missing.zip", tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_connection_is_reported_at_once(tmp_path: Path) -> None:
    with serve() as gone:
        url = gone.url
    with pytest.raises(OSError, match=r"refused"):
        download(f"{url}/a.zip", tmp_path / "a.zip")


def test_free_space_is_checked_before_writing(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10_000, 1, 9_999))
    with pytest.raises(MissingDataError, match=r"There is not enough disk space for a\.zip"):
        download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert not (tmp_path / "a.zip.part").exists()


def test_the_version_file_names_the_version_being_downloaded(server: Server, tmp_path: Path) -> None:
    target = interrupted(server, tmp_path)
    mark = json.loads(Path(f"{target}.part.json").read_text())
    assert (mark["url"], mark["total"]) == (f"{server.url}/a.zip", len(CONTENT))


@pytest.mark.parametrize("header", ["x-goog-hash", "Content-MD5"])
def test_a_damaged_download_is_deleted(server: Server, tmp_path: Path, header: str) -> None:
    told = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    server.headers = {header: f"crc32c=AAAAAA==,md5={told}" if header.startswith("x") else told}
    download(f"{server.url}/a.zip", tmp_path / "a.zip")
    server.files["a.zip"] = CONTENT[:-1] + b"x"  # the file on the server is damaged: its digest is that of the original
    with pytest.raises(OSError, match=r"file is damaged \(its MD5"):
        download(f"{server.url}/a.zip", tmp_path / "b.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("cut", [1, 255, 256, 5000, len(CONTENT) - 1])
def test_a_download_cut_anywhere_resumes(server: Server, tmp_path: Path, cut: int) -> None:
    server.cut_after = [cut]
    download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["", f"bytes={cut}-"]


def test_a_disk_that_fills_up_keeps_what_has_arrived(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))  # no file grows beyond it: as if the disk were full
    try:
        with pytest.raises(OSError, match="too large"):
            download(f"{server.url}/a.zip", tmp_path / "a.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "a.zip").exists()
    download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert server.requests[-1][1].startswith("bytes=")
