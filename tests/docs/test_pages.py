"""Every command and code block of the documentation works as written, in order, in a folder that holds only the repository's
results."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, commands, pages, run_page

README = ROOT / "README.md"
RUN = [
    page for page in pages() if page != README and any(language in ("bash", "python") for language, _ in blocks(page))
]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", RUN, ids=name)
def test_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "reference").symlink_to(ROOT / "results" / "reference")
    assert run_page(page) > 0


def test_all_commands_of_the_readme_work_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs all commands of README.md in order, in a folder without results."""
    monkeypatch.chdir(tmp_path)
    assert run_page(README) >= 5
    tracked = {path.parents[1].name for path in (tmp_path / "results").rglob("summary.json")}
    assert {"lucas-kanade", "zero-motion", "stay"} <= tracked


def test_code_blocks_with_commands_have_a_language() -> None:
    for page in pages():
        for language, text in blocks(page):
            assert language or not commands(text), f"{name(page)}: {text}"


@pytest.mark.parametrize("page", pages(), ids=name)
def test_linked_files_exist(page: Path) -> None:
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="needs sphinx: make docs")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", ROOT / "docs", tmp_path]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    assert "evaluate" in (tmp_path / "python.html").read_text(encoding="utf-8")
