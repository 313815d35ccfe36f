"""A table shows how much of the published dataset was available."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.records import write_run
from vgmae_bench.compare.selection import select_runs
from vgmae_bench.data.dataset import Coverage
from vgmae_bench.evaluation.records.results import ClipCounts


@pytest.mark.parametrize(
    ("coverage", "scored", "told"),
    [
        (None, 30, "30"),
        ({"published": 30, "here": 30, "missing": []}, 30, "30"),
        ({"published": None, "here": 30, "missing": None}, 30, "30"),
        ({"published": 1147, "here": 30, "missing": None}, 30, "30 of 1147 published"),
        ({"published": 1147, "here": 30, "missing": []}, 28, "28 of 30, 2 failed (30 of 1147 published)"),
    ],
)
def test_clips_of_a_row(coverage: dict[str, Any] | None, scored: int, told: str) -> None:
    write_run(Path("results"), "a", [0.5])
    (made,) = select_runs(Path("results"))
    dataset = replace(made.record.dataset, coverage=Coverage(**coverage) if coverage else None)
    summary = replace(made.summary, clips=ClipCounts(30, scored, 30 - scored, 0))
    assert replace(made, record=replace(made.record, dataset=dataset), summary=summary).clips == told
