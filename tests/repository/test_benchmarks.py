"""The page of measurements equals its JSON files, and every benchmark runs with its documented options."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
HELPERS = {"form", "table"}
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in HELPERS)


@pytest.fixture(autouse=True)
def benchmarks_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def test_the_page_comes_from_the_files() -> None:
    import table

    assert (ROOT / "results" / "benchmarks" / "README.md").read_text(encoding="utf-8") == table.page()


def test_files_have_one_form() -> None:
    files = sorted((ROOT / "results" / "benchmarks").glob("*.json"))
    assert {file.stem for file in files} <= set(SCRIPTS)
    for file in files:
        content = json.loads(file.read_text(encoding="utf-8"))
        assert content.keys() == {"benchmark", "date", "machine", "notes", "results"}
        assert content["benchmark"] == file.stem
        assert (
            content["machine"]["device"] and content["machine"]["commit"] and len(content["notes"]["load_average"]) == 3
        )
        assert content["results"]


def test_make_runs_all_of_them() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = re.search(r"^BENCHMARKS := (.*)$", makefile, re.MULTILINE)
    assert listed is not None and sorted([*listed[1].split(), "against"]) == SCRIPTS
    assert "benchmarks/against.py $(AGAINST) --json" in makefile


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_has_examples_and_numbers_one_form(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    said = ast.get_docstring(ast.parse(text)) or ""
    assert f"python benchmarks/{name}.py" in said and "--json" in said
    assert f'in_form("{name}"' in text and "description=__doc__" in text


def test_results_become_tables(tmp_path: Path) -> None:
    import table

    content = {
        "benchmark": "toy",
        "date": "2026-01-02T03:04:05+00:00",
        "machine": {"device": "CPU", "packages": {"torch": "2"}, "commit": {"id": "abcdef0123", "dirty": True}},
        "notes": {"turns": 3, "load_average": [0.5, 1, 2]},
        "results": {"small": {"ours": {"ms": 1.2345, "ok": True}, "theirs": {"ms": 12345.6, "ok": None}}, "ratio": 0.5},
    }
    (tmp_path / "toy.json").write_text(json.dumps(content))
    page = table.page(tmp_path)
    assert "| small, ours | 1.23 | True |" in page and "| small, theirs | 12346 |  |" in page
    assert "2026-01-02; CPU; torch 2; commit abcdef0 with changes; load average 0.50, 1.00, 2.00; turns 3." in page
    assert page.count("|---|") == 2
    assert sys.modules["table"].FOLDER == ROOT / "results" / "benchmarks"
