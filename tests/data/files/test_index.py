from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vgmae_bench.data.files.index import ClipEntry, FileIndex, build_index, cached_index
from vgmae_bench.files import file_digest

CLIPS: list[ClipEntry] = [("bear", (6, 20, 32)), ("broken", None), (2, (1, 2, 3))]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.pkl"
    path.write_bytes(b"content")
    return path


def test_a_built_index_is_reused(file: Path) -> None:
    assert cached_index(file) is None
    built = build_index(file, lambda _: CLIPS)
    assert built == FileIndex(hashlib.sha256(b"content").hexdigest(), CLIPS)
    assert cached_index(file) == built
    assert file_digest(file) == built.sha256


def test_a_changed_file_is_indexed_again(file: Path) -> None:
    build_index(file, lambda _: CLIPS)
    file.write_bytes(b"another content")
    assert cached_index(file) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 0}', "null", '{"format": 1, "stamp": []}'])
def test_a_damaged_index_is_rebuilt(file: Path, own_cache: Path, content: str) -> None:
    built = build_index(file, lambda _: CLIPS)
    (stored,) = (own_cache / "index").iterdir()
    stored.write_text(content)
    assert cached_index(file) is None
    assert build_index(file, lambda _: CLIPS) == built == cached_index(file)


def test_a_cache_that_cannot_be_written_is_no_error(file: Path, own_cache: Path) -> None:
    own_cache.write_text("a file where the folder should be")
    assert build_index(file, lambda _: CLIPS).clips == CLIPS
    assert cached_index(file) is None


def test_nothing_half_written_stays_behind(file: Path, own_cache: Path) -> None:
    with pytest.raises(TypeError):
        build_index(file, lambda _: [(object(), None)])  # type: ignore[arg-type]  # cannot become JSON
    assert list(own_cache.rglob("*.*")) == []
