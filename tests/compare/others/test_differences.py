"""Measured numbers beside published ones of the same method, weights, dataset and protocol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.records import write_run
from vgmae_bench import plugins
from vgmae_bench.compare import published
from vgmae_bench.compare.content import build, flat_records
from vgmae_bench.compare.row import Row
from vgmae_bench.compare.selection import select_runs
from vgmae_bench.data.dataset import Coverage
from vgmae_bench.evaluation.records.results import WeightsUsed
from vgmae_bench.plugins import Plugin
from vgmae_bench.specs import MethodSpec

OUT = Path("results")
SPEC = MethodSpec("theirs", "", published={"big": "TAPIR (panning checkpoint)", "small": "Nobody"})


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Row:
    others, theirs = plugins.installed, [Plugin("theirs", SPEC, "", "", "", "")]
    monkeypatch.setattr(plugins, "installed", lambda kind: theirs if kind == "methods" else others(kind))
    write_run(OUT, "theirs", [0.58, 0.6], dataset="davis")
    (found,) = select_runs(OUT)
    return with_weights(found, "big")


def with_weights(row: Row, name: str) -> Row:
    method = replace(row.record.method, weights=WeightsUsed(name, "0" * 64))
    return replace(row, record=replace(row.record, method=method))


def test_the_difference_is_told_below_the_table(row: Row) -> None:
    (told,) = published.differences(row, ["average_jaccard"])
    assert told.quoted == "58.5" and told.value == pytest.approx(59.0 - 58.5)
    notes = build([row], metrics=["average_jaccard"], with_published="all").notes
    assert any("AJ 59.00, published 58.5 (+0.50). TAPIR (panning checkpoint), github.com" in note for note in notes)


def test_flat_records_hold_the_published_value_and_the_difference(row: Row) -> None:
    record = flat_records([row], with_published="all")[0]
    assert record["average_jaccard_published"] == pytest.approx(0.585)
    assert record["average_jaccard_difference"] == pytest.approx(0.005)
    assert not [name for name in flat_records([row])[0] if name.endswith("_difference")]


def test_no_difference_is_shown_for_other_weights_subsets_or_protocols(row: Row) -> None:
    part = replace(row.record.dataset, coverage=Coverage(here=2, published=30, missing=[]))
    others = [
        with_weights(row, "small"),
        with_weights(row, "a-file-of-mine"),
        replace(row, record=replace(row.record, dataset=part)),
        replace(row, record=replace(row.record, protocol=replace(row.record.protocol, name="tapvid-other"))),
        replace(row, summary=replace(row.summary, clips=replace(row.summary.clips, expected=9))),
    ]
    assert [published.differences(one, ["average_jaccard"]) for one in others] == [[]] * len(others)


def test_published_names_of_shipped_methods_are_in_the_table() -> None:
    known = {row.method for row in published.read()}
    named = {name for plugin in plugins.installed("methods") if plugin.spec for name in plugin.spec.published.values()}
    assert named and named <= known
