from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from vgmae_bench.data import ROBOTAP, SYNTH
from vgmae_bench.data.files.root import data_root, locate
from vgmae_bench.files import cache_folder


def test_the_data_root_is_what_was_asked_for_else_the_variable_else_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VGMAE_BENCH_DATA", str(tmp_path / "variable"))
    assert data_root(tmp_path / "asked") == tmp_path / "asked"
    assert data_root() == tmp_path / "variable"
    monkeypatch.delenv("VGMAE_BENCH_DATA")
    assert data_root() == Path(platformdirs.user_data_dir("vgmae-bench", appauthor=False))


def test_the_cache_follows_its_own_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("VGMAE_BENCH_CACHE", "")
    assert cache_folder() == Path(platformdirs.user_cache_dir("vgmae-bench", appauthor=False))


def test_a_relative_root_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert data_root(Path("here")) == tmp_path / "here"


def test_files_come_in_natural_order(tmp_path: Path) -> None:
    (tmp_path / "robotap").mkdir()
    for name in ("robotap_split10.pkl", "robotap_split2.pkl", "robotap_split0.pkl", "README.md"):
        (tmp_path / "robotap" / name).touch()
    (tmp_path / "robotap" / "robotap_split3.pkl").mkdir()
    found = [path.name for path in locate(ROBOTAP, tmp_path)]
    assert found == ["robotap_split0.pkl", "robotap_split2.pkl", "robotap_split10.pkl"]
    assert locate(SYNTH, tmp_path) == []
