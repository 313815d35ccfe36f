"""A file at a web address: downloaded once, resumed, checked; if missing, an error of one line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data.files.server import Server, serve
from vgmae_bench.data.files.download import ensure_file
from vgmae_bench.errors import BadDataError, MissingDataError

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        running.files["a.pth?download=true"] = CONTENT
        yield running


def ensure(server: Server, folder: Path, **known: Any) -> tuple[Path, str]:
    return ensure_file(f"{server.url}/weights/a.pth?download=true", folder, what="the weights", **known)


def test_it_is_fetched_once_and_continues_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.cut_after = [4000]
    path, digest = ensure(server, tmp_path / "new", size=len(CONTENT), sha256=SHA256[:8])
    assert path == tmp_path / "new" / "a.pth" and path.read_bytes() == CONTENT and digest == SHA256
    assert [asked for _, asked in server.requests] == ["", "bytes=4000-"]
    assert ensure(server, tmp_path / "new") == (path, SHA256)
    assert len(server.requests) == 2


@pytest.mark.parametrize("known", [{"size": 7}, {"sha256": "0" * 64}, {"sha256": "beef"}])
def test_a_download_with_another_digest_is_deleted(server: Server, tmp_path: Path, known: dict[str, object]) -> None:
    with pytest.raises(BadDataError, match="is not the weights") as raised:
        ensure(server, tmp_path, **known)
    assert SHA256 in raised.value.why and not (tmp_path / "a.pth").exists()


def test_a_file_that_changes_after_its_first_use_is_refused(server: Server, tmp_path: Path) -> None:
    path, _ = ensure(server, tmp_path)
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(BadDataError, match="has changed since it was first used"):
        ensure(server, tmp_path)
    with pytest.raises(BadDataError, match="is not the weights") as raised:
        ensure(server, tmp_path, sha256=SHA256)
    assert raised.value.try_.startswith("rm ") and path.exists()


def test_without_a_network_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="The weights could not be fetched") as raised:
        ensure_file("http://127.0.0.1:9/a.pth", tmp_path, what="the weights")
    assert "Connection refused" in raised.value.why
    assert raised.value.try_ == f"curl -L -C - --create-dirs -o {tmp_path}/a.pth http://127.0.0.1:9/a.pth"
