"""The report reuses cached plots until a run or the code changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.records import write_run
from vgmae_bench.compare.report import figures
from vgmae_bench.compare.report.figures import pictures
from vgmae_bench.compare.selection import select_runs
from vgmae_bench.evaluation.store import RunFolder

OUT = Path("results")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The plots that the test makes, and two runs."""
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path / "cache"))
    made: list[str] = []
    make = figures.make_plot

    def count(name: str, rows: Any) -> Any:
        made.append(name)
        return make(name, rows)

    monkeypatch.setattr(figures, "make_plot", count)
    write_run(OUT, "good", [0.5, 0.9, 0.4])
    write_run(OUT, "poor", [0.4, 0.3, 0.5])
    return made


def test_a_second_report_makes_no_plot_again(counted: list[str]) -> None:
    first = pictures(select_runs(OUT), ["clips"])
    assert pictures(select_runs(OUT), ["clips"]) == first
    assert counted == ["clips"]
    assert first[0]["image"].startswith("data:image/svg+xml;base64,")


def test_other_scores_order_or_runs_make_other_plots(counted: list[str]) -> None:
    rows = select_runs(OUT)
    paths = {
        figures.picture_path("clips", rows),
        figures.picture_path("bars", rows),
        figures.picture_path("clips", rows[:1]),
    }
    run = RunFolder(rows[0].run.path)
    replace(run.summary(), seconds=7.0).write(run.path / "summary.json")
    paths.add(figures.picture_path("clips", select_runs(OUT)))
    assert len(paths) == 4


def test_damaged_or_unwritable_caches_do_no_harm(counted: list[str], tmp_path: Path) -> None:
    rows = select_runs(OUT)
    first = pictures(rows, ["clips"])
    figures.picture_path("clips", rows).write_text("{cut")
    assert pictures(rows, ["clips"]) == first
    (tmp_path / "file").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VGMAE_BENCH_CACHE", str(tmp_path / "file"))
        assert pictures(rows, ["clips"]) == first
    assert counted == ["clips"] * 3


def test_old_pictures_are_deleted(counted: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(figures, "MOST_KEPT", 2)
    for number in range(4):
        figures.keep_picture(tmp_path / "pictures" / f"{number}.json", {"name": str(number)})
    assert len(list((tmp_path / "pictures").iterdir())) == 2
