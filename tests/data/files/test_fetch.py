from __future__ import annotations

import dataclasses
import errno
import io
import os
import pickle
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.data.files.server import Server, serve
from tests.data.toy import example, save, save_davis
from vgmae_bench import data
from vgmae_bench.data.files.fetch import ensure, fetch, print_terms
from vgmae_bench.data.files.root import SUMS, read_sums
from vgmae_bench.data.tapvid import dataset as tapvid
from vgmae_bench.errors import BadDataError, MissingDataError, StorageError
from vgmae_bench.files import file_digest
from vgmae_bench.plugins import DatasetSpec

CLIPS = {"bear": example(1), "camel": example(2)}


def davis_zip(**extra: bytes) -> bytes:
    """An archive in the official layout."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("tapvid_davis/README.md", "what this is")
        zipped.writestr("tapvid_davis/SOURCES.md", "who made the videos")
        zipped.writestr("tapvid_davis/tapvid_davis.pkl", pickle.dumps(CLIPS))
        for name, content in extra.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        running.files["tapvid_davis.zip"] = davis_zip()
        yield running


@pytest.fixture
def spec(server: Server) -> DatasetSpec:
    return dataclasses.replace(data.DAVIS, source=f"{server.url}/dm-tapnet/tapvid_davis.zip")


def visible(folder: Path) -> set[str]:
    """The remaining files, without the lock and the record of archives."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")} - {SUMS}


def test_davis_downloads_itself_once(
    spec: DatasetSpec,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_terms.cache_clear()
    monkeypatch.setattr(data, "DAVIS", spec)
    root = tmp_path / "new" / "root"
    for _ in range(2):
        dataset = tapvid.davis(root, tapvid.TapVidConfig())
        assert list(dataset.ids) == ["bear", "camel"]
        np.testing.assert_array_equal(dataset.clip("camel").read(), CLIPS["camel"]["video"])
    assert len(server.requests) == 1
    assert visible(root) == {"tapvid_davis"}
    assert set(read_sums(root / "tapvid_davis")) == {"README.md", "SOURCES.md", "tapvid_davis.pkl"}
    captured = capsys.readouterr()
    for line in ("Licence: annotations CC BY 4.0", "Please cite: @inproceedings{doersch"):
        assert captured.err.count(line) == 1
    assert captured.out == ""


def test_existing_data_needs_no_connection(tmp_path: Path) -> None:
    path = save_davis(tmp_path)
    assert ensure(dataclasses.replace(data.DAVIS, source="http://127.0.0.1:9/none.zip"), tmp_path) == [path]


def test_an_archive_put_there_by_hand_is_unpacked_and_kept(spec: DatasetSpec, server: Server, tmp_path: Path) -> None:
    (tmp_path / "tapvid_davis.zip").write_bytes(davis_zip())
    assert ensure(spec, tmp_path) == [tmp_path / "tapvid_davis" / "tapvid_davis.pkl"]
    assert server.requests == []
    assert visible(tmp_path) == {"tapvid_davis", "tapvid_davis.zip"}


def test_a_damaged_archive_put_there_by_hand_is_named_and_kept(spec: DatasetSpec, tmp_path: Path) -> None:
    archive = tmp_path / "tapvid_davis.zip"
    archive.write_bytes(davis_zip()[:-30])
    with pytest.raises(BadDataError, match=r"tapvid_davis\.zip is damaged") as caught:
        ensure(spec, tmp_path)
    assert caught.value.try_ == f"rm {archive}"
    assert visible(tmp_path) == {"tapvid_davis.zip"}


def test_a_damaged_download_is_thrown_away(spec: DatasetSpec, server: Server, tmp_path: Path) -> None:
    server.files["tapvid_davis.zip"] = davis_zip()[:-30]
    with pytest.raises(BadDataError, match="is damaged"):
        ensure(spec, tmp_path)
    assert visible(tmp_path) == set()
    server.files["tapvid_davis.zip"] = davis_zip()
    assert len(ensure(spec, tmp_path)) == 1


def test_an_archive_that_leads_out_of_its_folder_is_thrown_away(
    spec: DatasetSpec, server: Server, tmp_path: Path
) -> None:
    server.files["tapvid_davis.zip"] = davis_zip(**{"../evil": b""})
    with pytest.raises(BadDataError, match="points outside its folder"):
        ensure(spec, tmp_path / "root")
    assert visible(tmp_path / "root") == set()
    assert not (tmp_path / "evil").exists()


def test_a_missing_file_error_has_source_and_command(spec: DatasetSpec, server: Server, tmp_path: Path) -> None:
    server.files.clear()
    root = tmp_path / "my data"
    with pytest.raises(MissingDataError) as caught:
        ensure(spec, root)
    error = caught.value
    assert error.what == f"davis is not at {root}/tapvid_davis/tapvid_davis.pkl"
    assert error.why == f"downloading {spec.source} failed: the server answered 404 Not Found"
    assert f"-o '{root}/tapvid_davis.zip' {spec.source}" in error.try_
    assert "--dataset synth" in error.try_


def test_no_connection_is_missing_data(tmp_path: Path) -> None:
    with serve() as gone:
        url = gone.url
    with pytest.raises(MissingDataError, match="refused"):
        ensure(dataclasses.replace(data.RGB_STACKING, source=f"{url}/tapvid_rgb_stacking.zip"), tmp_path)


def test_a_folder_in_the_way_is_not_touched(spec: DatasetSpec, server: Server, tmp_path: Path) -> None:
    mine = tmp_path / "tapvid_davis" / "mine.txt"
    mine.parent.mkdir()
    mine.touch()
    with pytest.raises(MissingDataError, match="is not empty, and holds other files"):
        ensure(spec, tmp_path)
    assert mine.exists()
    assert server.requests == []


def test_a_root_that_is_a_file_is_missing_data(spec: DatasetSpec, tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    with pytest.raises(MissingDataError, match="davis is not at"):
        ensure(spec, tmp_path / "root")


def test_several_at_once_download_once(spec: DatasetSpec, server: Server, tmp_path: Path) -> None:
    found: list[list[Path]] = []
    threads = [threading.Thread(target=lambda: found.append(ensure(spec, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[tmp_path / "tapvid_davis" / "tapvid_davis.pkl"]] * 4
    assert len(server.requests) == 1


def test_a_dataset_of_another_plugin_names_its_source(tmp_path: Path) -> None:
    stranger = DatasetSpec("mine", "mine:Mine", "", location="mine/*.pkl", source="https://example.org/mine")
    with pytest.raises(MissingDataError, match=r"it comes from https://example\.org/mine") as caught:
        ensure(stranger, tmp_path)
    assert "YouTube" not in str(caught.value)


def test_a_repeated_download_must_have_the_same_digest(spec: DatasetSpec, server: Server, tmp_path: Path) -> None:
    ensure(spec, tmp_path)
    shutil.rmtree(tmp_path / "tapvid_davis")
    ensure(spec, tmp_path)
    shutil.rmtree(tmp_path / "tapvid_davis")
    server.files["tapvid_davis.zip"] = davis_zip(**{"tapvid_davis/more": b""})
    with pytest.raises(BadDataError, match=r"tapvid_davis\.zip has changed since it was first used"):
        ensure(spec, tmp_path)
    assert not (tmp_path / "tapvid_davis").exists()


@pytest.mark.parametrize("form", ["archive", "file", "folder", "folder in a folder"])
def test_files_of_the_user_are_copied(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_terms.cache_clear()
    brought = tmp_path / "brought"
    path = save_davis(brought, CLIPS)
    (tmp_path / "a.zip").write_bytes(davis_zip())
    source = {"archive": tmp_path / "a.zip", "file": path, "folder": path.parent, "folder in a folder": brought}[form]
    before = path.read_bytes()
    (found,) = [file for file in fetch(data.DAVIS, tmp_path / "root", source) if file.suffix == ".pkl"]
    assert found == tmp_path / "root" / "tapvid_davis" / "tapvid_davis.pkl"
    assert pickle.loads(found.read_bytes()).keys() == CLIPS.keys()
    assert read_sums(found.parent)["tapvid_davis.pkl"] == file_digest(found)
    assert path.read_bytes() == before
    assert capsys.readouterr().err.count("Please cite") == 1
    with pytest.raises(MissingDataError, match="is not empty, and holds other files"):
        fetch(data.DAVIS, tmp_path / "root", source)


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.pkl").touch()
    with pytest.raises(MissingDataError, match=r"holds no tapvid_davis\.pkl"):
        fetch(data.DAVIS, tmp_path / "root", tmp_path)
    assert visible(tmp_path / "root") == set()


def test_fetching_kinetics_gets_its_annotations(server: Server, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("tapvid_kinetics/tapvid_kinetics.csv", "id,0,10,0.5,0.5,0\n")
    server.files["tapvid_kinetics.zip"] = buffer.getvalue()
    spec = dataclasses.replace(data.KINETICS, source=f"{server.url}/tapvid_kinetics.zip")
    assert fetch(spec, tmp_path) == [tmp_path / "tapvid_kinetics" / "tapvid_kinetics.csv"]
    with pytest.raises(MissingDataError, match="YouTube"):  # annotations alone are not the dataset
        ensure(spec, tmp_path)
    shard = save([example(1)], tmp_path / "shards" / "0000_of_0001.pkl")
    assert shard.name in {file.name for file in fetch(spec, tmp_path / "other", shard.parent)}


@pytest.mark.parametrize("step", ["copy", "unpack"])
def test_a_full_disk_leaves_no_half_of_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = save_davis(tmp_path, CLIPS)
    if step == "copy":
        monkeypatch.setattr(shutil, "copyfile", full)
    else:
        source = tmp_path / "a.zip"
        source.write_bytes(davis_zip())
        monkeypatch.setattr(zipfile.ZipFile, "open", full)
    with pytest.raises(StorageError, match="No space left"):
        fetch(data.DAVIS, tmp_path / "root", source)
    assert visible(tmp_path / "root") == set()
