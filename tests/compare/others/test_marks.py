"""Marks after the names of runs in tables, and the notes that explain them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.records import write_run
from vgmae_bench.compare import tables
from vgmae_bench.compare.content import build
from vgmae_bench.compare.row import Row
from vgmae_bench.compare.selection import select_runs
from vgmae_bench.evaluation.records.results import MethodUsed

OUT = Path("results")


def with_method(row: Row, **changes: Any) -> Row:
    method: MethodUsed = replace(row.record.method, **changes)
    return replace(row, record=replace(row.record, method=method))


@pytest.fixture
def row() -> Row:
    write_run(OUT, "crowd", [0.5, 0.7])
    (found,) = select_runs(OUT)
    return found


def test_jointly_tracked_queries_are_marked(row: Row) -> None:
    table = build([with_method(row, queries="joint", ask="frame")])
    assert [line.name for line in table.measured] == ["crowd§"]
    (note,) = table.notes
    assert note.startswith("§ crowd: queries see each other (--ask frame)") and "--ask single" in note
    assert r"crowd\S{}" in tables.latex(table)


@pytest.mark.parametrize("asked", [{"queries": "joint", "ask": "single"}, {"ask": "all:64"}, {}])
def test_separately_tracked_queries_have_no_mark(row: Row, asked: dict[str, str]) -> None:
    table = build([with_method(row, **asked)])
    assert [line.name for line in table.measured] == ["crowd"] and not table.notes


def test_licence_restrictions_are_shown_below_the_table(row: Row) -> None:
    table = build([with_method(row, notice="not for commercial use")])
    assert table.notes == ["crowd: not for commercial use."] and [line.name for line in table.measured] == ["crowd"]
