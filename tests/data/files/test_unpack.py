from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from vgmae_bench.data.files.fetch import unpack
from vgmae_bench.data.files.root import SUMS, read_sums
from vgmae_bench.errors import BadDataError, MissingDataError

LOCATION = "robotap/robotap_split*.pkl"
FILES = {
    "robotap/README.md": b"read me",
    "robotap/robotap_split0.pkl": b"zero" * 3000,
    "robotap/robotap_split1.pkl": b"one",
    "__MACOSX/robotap/._README.md": b"junk",
}


def make_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as zipped:
        zipped.mkdir("robotap")
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


def names_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("existing", [False, True], ids=["no folder", "an empty folder"])
def test_the_folder_appears_with_its_digests(tmp_path: Path, existing: bool) -> None:
    root = tmp_path / "root"
    root.mkdir()
    if existing:
        (root / "robotap").mkdir()
    unpack(make_zip(tmp_path / "a.zip", FILES), LOCATION, root)
    assert names_below(root) == {
        "robotap", "robotap/README.md", "robotap/robotap_split0.pkl", "robotap/robotap_split1.pkl", f"robotap/{SUMS}",
    }  # fmt: skip
    for name, digest in read_sums(root / "robotap").items():
        assert hashlib.sha256(FILES[f"robotap/{name}"]).hexdigest() == digest
        assert (root / "robotap" / name).read_bytes() == FILES[f"robotap/{name}"]
    assert len(read_sums(root / "robotap")) == 3


@pytest.mark.parametrize(
    "name", ["../evil.pkl", "robotap/../../evil.pkl", "/evil.pkl", "robotap\\..\\evil.pkl", "C:/evil.pkl"]
)
def test_an_archive_with_a_path_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "zips" / "a.zip", {**FILES, name: b"evil"})
    root = tmp_path / "deep" / "root"
    root.mkdir(parents=True)
    with pytest.raises(BadDataError, match="points outside its folder"):
        unpack(archive, LOCATION, root)
    assert names_below(tmp_path) == {"zips", "zips/a.zip", "deep", "deep/root"}


def test_a_link_becomes_a_file_that_says_where_it_pointed(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", FILES)
    link = zipfile.ZipInfo("robotap/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as zipped:
        zipped.writestr(link, "/etc/passwd")
    unpack(archive, LOCATION, tmp_path)
    assert not (tmp_path / "robotap" / "link").is_symlink()
    assert (tmp_path / "robotap" / "link").read_text() == "/etc/passwd"


def damaged(tmp_path: Path, how: str) -> Path:
    archive = make_zip(tmp_path / "a.zip", FILES, zipfile.ZIP_STORED)
    content = archive.read_bytes()
    match how:
        case "truncated":
            content = content[:-50]
        case "flipped":
            content = content.replace(b"zerozero", b"zeroZero", 1)
        case "no zip":
            content = b"<html>sorry</html>"
        case "empty":
            content = b""
    archive.write_bytes(content)
    return archive


@pytest.mark.parametrize("how", ["truncated", "flipped", "no zip", "empty"])
def test_a_damaged_archive_leaves_nothing_behind(tmp_path: Path, how: str) -> None:
    with pytest.raises(BadDataError, match=r"a\.zip is damaged"):
        unpack(damaged(tmp_path, how), LOCATION, tmp_path)
    assert names_below(tmp_path) == {"a.zip"}


def test_an_archive_without_the_expected_data_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"robotap/README.md": b""})
    with pytest.raises(BadDataError, match=r"it holds no robotap/robotap_split\*\.pkl"):
        unpack(archive, LOCATION, tmp_path)
    assert names_below(tmp_path) == {"a.zip"}


def test_free_space_is_checked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(20_000, 8_000, 12_000))
    with pytest.raises(MissingDataError, match="There is not enough disk space to unpack"):
        unpack(make_zip(tmp_path / "a.zip", FILES), LOCATION, tmp_path)
    assert names_below(tmp_path) == {"a.zip"}
