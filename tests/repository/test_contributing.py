"""CONTRIBUTING.md names existing files and functions, and its walks are short."""

from __future__ import annotations

import importlib
import re
from functools import reduce
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALKS = [part for part in TEXT.split("\n## ") if part.startswith("Walk ")]
QUOTED = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)))
REFERENCES = sorted(text for text in QUOTED if re.fullmatch(r"vgmae_(bench|baselines)[\w.]*:[\w.]+", text))
FOLDERS = ("baselines/", "results/", "tests/", "vgmae_bench/")


def hops(walk: str) -> list[str]:
    return re.findall(r"^\d+\. .*?(?=^\d+\. |\Z)", walk, flags=re.MULTILINE | re.DOTALL)


def test_the_two_walks_have_fewer_than_ten_hops_and_each_names_code() -> None:
    assert len(WALKS) == 2
    for walk in WALKS:
        assert 5 <= len(hops(walk)) < 10
        assert all(any(f"`{reference}`" in hop for reference in REFERENCES) for hop in hops(walk)), walk


@pytest.mark.parametrize("reference", REFERENCES)
def test_named_functions_exist(reference: str) -> None:
    module, _, attribute = reference.partition(":")
    assert reduce(getattr, attribute.split("."), importlib.import_module(module)) is not None


def test_named_files_exist() -> None:
    named = [text for text in QUOTED if text.startswith(FOLDERS)]
    assert len(named) > 5
    assert [text for text in named if not (ROOT / text).exists()] == []
