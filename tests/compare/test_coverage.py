"""A table tells how much of the published set was at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vgmae_bench.compare.row import Row
from vgmae_bench.evaluation.store import RunFolder


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
    clips = {"scored": scored, "expected": 30, "failed": 30 - scored, "without_queries": 0}
    assert Row(RunFolder(Path("run")), {"coverage": coverage}, {"clips": clips}).clips == told
