"""Files are short and folders are small."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("vgmae_bench", "baselines", "tests", "benchmarks", "examples")
LINES, FILES = 300, 14


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_have_at_most_300_lines(folder: str) -> None:
    files = python_files(folder)
    assert files
    lines = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in files}
    assert {name: count for name, count in lines.items() if count > LINES} == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_have_at_most_14_python_files(folder: str) -> None:
    files = Counter(str(path.parent.relative_to(ROOT)) for path in python_files(folder))
    assert {name: count for name, count in files.items() if count > FILES} == {}
