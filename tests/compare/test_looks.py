"""Appearance of figures: no text is cut, fonts are embedded, the floor is labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest

from tests.records import write_run
from vgmae_bench.compare.plots import cost, make_plot, save_plot, style, thresholds
from vgmae_bench.compare.plots.groups import groups
from vgmae_bench.compare.row import HEADLINE
from vgmae_bench.compare.selection import select_runs
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.metrics.thresholds import THRESHOLDS


@pytest.mark.parametrize("width", [3.3, 6.9])
@pytest.mark.parametrize("name", ["bars", "bars_audit", "thresholds", "cost", "clips"])
def test_no_text_is_cut_at_the_edges(name: str, width: float, tmp_path: Path) -> None:
    for number, method in enumerate(("videogmae", "gmrw", "a-method-with-a-long-name")):
        scores = [0.3 + 0.2 * number, 0.5, 0.4, 0.6, 0.2, 0.3]
        at_thresholds = (f"{kind}_{k}" for kind in thresholds.MEASURES for k in THRESHOLDS)
        write_run(tmp_path, method, dict.fromkeys((*HEADLINE, *at_thresholds), scores))
    with matplotlib.rc_context({**style.RC, "figure.figsize": (width, 4.0)}):
        figure = make_plot(name, select_runs(tmp_path)).figure
        figure.draw_without_rendering()
    drawn = figure.get_tightbbox()  # inches
    assert drawn.x0 >= -0.01
    assert drawn.x1 <= width + 0.01
    assert drawn.y0 >= -0.01
    assert drawn.y1 <= figure.get_figheight() + 0.01


def test_fonts_are_embedded(tmp_path: Path) -> None:
    save_plot("bars", [], tmp_path)
    pages = (tmp_path / "bars.pdf").read_bytes()
    assert b"/FontFile2" in pages  # TrueType
    assert b"/Type3" not in pages


def test_the_floor_is_labelled_beside_better_methods() -> None:
    for number in range(9):
        write_run(Path("results"), f"m{number}", [0.2 + 0.05 * number, 0.5])
    write_run(Path("results"), "zero-motion", [0.01, 0.02])
    (group,) = groups(select_runs(Path("results")))
    assert list(group.labels) == [*(f"m{number}" for number in range(8, 1, -1)), "zero-motion"]


def test_methods_with_zero_cost_are_at_the_left_edge(tmp_path: Path) -> None:
    for method, seconds in (("zero-motion", 1e-6), ("fast", 0.1), ("slow", 10.0)):
        run = RunFolder(write_run(tmp_path, method, [0.5, 0.6]))
        replace(run.summary(), seconds=seconds, frames=100).write(run.path / "summary.json")
    axes = cost.plot_cost(select_runs(tmp_path)).figure.axes[0]
    left, right = axes.get_xlim()
    assert left == pytest.approx(0.5)  # ms; half of the faster one
    assert right >= 100
    places = sorted(float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() not in ("None", "_", "|"))
    assert {round(place, 3) for place in places if place > 0} >= {0.5, 1.0, 100.0}
