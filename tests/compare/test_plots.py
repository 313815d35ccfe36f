"""Figures: their numbers, their files, and labels that do not overlap."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.clips import write_davis
from tests.records import write_run
from tests.shared.plans import plan
from vgmae_bench import plugins
from vgmae_bench.cli.compare.plot import plot
from vgmae_bench.compare.plots import (
    NAMES,
    bars,
    bars_audit,
    clips,
    cost,
    curves,
    occlusion,
    style,
    thresholds,
)
from vgmae_bench.compare.plots.groups import groups
from vgmae_bench.compare.selection import select_runs
from vgmae_bench.errors import UnknownNameError, UsageError
from vgmae_bench.evaluation.records.results import Session
from vgmae_bench.evaluation.run import execute
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.metrics.thresholds import THRESHOLDS


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real runs: two methods, two protocols, and one method with two settings."""
    folder = tmp_path_factory.mktemp("plots")
    root = write_davis(folder / "data", clips=3)
    for options in ({}, {"settings": {"levels": 1}}, {"query_mode": "strided"}):
        execute(plan("lucas-kanade", "davis", data_root=root, out=folder / "results", **options), figures=0)  # type: ignore[arg-type]
    execute(plan("zero-motion", "davis", data_root=root, out=folder / "results"), figures=0)
    return folder / "results"


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(plot, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"curves", "bars_audit"}))
def test_plot_writes_png_pdf_and_csv(results: Path, tmp_path: Path, name: str) -> None:
    result = invoke(name, "--results", results, "--out", tmp_path / "figures")
    assert result.exit_code == 0, result.output
    files = [tmp_path / "figures" / f"{name}.{ending}" for ending in ("png", "pdf", "csv")]
    assert result.stdout.split() == [str(file) for file in files]
    assert sorted(files) == sorted((tmp_path / "figures").iterdir())
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert files[1].read_bytes().startswith(b"%PDF")
    assert len(pd.read_csv(files[2])) > 0


def test_the_same_runs_give_the_same_bytes(results: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        assert invoke("clips", "--results", results, "--out", tmp_path / folder).exit_code == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "a").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "b").iterdir())
    ]


def test_protocols_have_panels_of_their_own_and_settings_tell_runs_apart(results: Path) -> None:
    found = groups(select_runs(results))
    named = {group.title: set(group.runs) for group in found}
    assert named == {
        "davis, tapvid-first": {"lucas-kanade levels=3", "lucas-kanade levels=1", "zero-motion"},
        "davis, tapvid-strided": {"lucas-kanade"},
    }
    assert len(thresholds.plot_thresholds(select_runs(results)).figure.axes) == 4


def test_thresholds_and_cost_show_the_values_of_summaries(results: Path) -> None:
    rows = {row.record.key[:8]: row for row in select_runs(results)}
    table = thresholds.plot_thresholds(list(rows.values())).table
    assert len(table) == len(rows) * 2 * len(THRESHOLDS)
    for _, line in table.iterrows():
        expected = rows[line["run"]].values(f"{line['measure']}_{line['threshold_px']}")
        assert (line["percent"], line["low"], line["high"]) == expected
    for _, line in cost.plot_cost(list(rows.values())).table.iterrows():
        summary = rows[line["run"]].summary
        assert line["ms_per_frame"] == pytest.approx(1000 * summary.seconds / summary.frames)
        assert line["peak_memory_mb"] == summary.peak_memory_mb


def test_accuracy_over_time_needs_no_predictions_and_says_when_it_was_not_kept(results: Path, tmp_path: Path) -> None:
    rows = select_runs(results, method=["zero-motion"])
    table = occlusion.plot_occlusion(rows).table
    position = table[(table["measure"] == "position") & (table["since"] == "query")].sort_values("first_frame")
    assert position["percent"].is_monotonic_decreasing  # points move at a constant speed
    assert position["percent"].iloc[0] > position["percent"].iloc[-1]
    bare = write_run(tmp_path, "old", [0.5, 0.6])
    run = RunFolder(bare)
    replace(run.record(), sessions=[Session.now("cpu", "vgmae-bench run --method old")]).write(run.path / "record.json")
    with pytest.raises(UnknownNameError, match=r"(?s)metrics_over_time\.csv.*--method old"):
        occlusion.plot_occlusion(select_runs(tmp_path))


def test_a_small_set_is_drawn_beside_a_large_one(results: Path, tmp_path: Path) -> None:
    few = select_runs(results, method=["zero-motion"])
    root = write_davis(tmp_path / "data", clips=occlusion.FEWEST + 1)
    execute(plan("zero-motion", "davis", data_root=root, out=tmp_path / "results"), figures=0)
    axes = occlusion.plot_occlusion([*few, *select_runs(tmp_path / "results")]).figure.axes
    assert all(one.lines for one in axes[::2]), "time since the query"


def test_clips_are_paired_and_sorted(tmp_path: Path) -> None:
    write_run(tmp_path, "good", [0.5, 0.9, 0.4])
    write_run(tmp_path, "poor", [0.4, 0.3, 0.5])
    write_run(tmp_path, "worst", [0.0, 0.1, 0.0])
    write_run(tmp_path, "alone", [0.5], protocol="tapvid-strided")
    table = clips.plot_clips(select_runs(tmp_path)).table
    assert set(table["first_method"]) == {"good"}
    assert set(table["second_method"]) == {"poor"}
    assert list(table["clip"]) == ["clip-001", "clip-000", "clip-002"]
    assert np.allclose(table["difference"], [60, 10, -10])
    assert np.allclose(table["first"] - table["second"], table["difference"])
    with pytest.raises(UsageError, match="no two runs"):
        clips.plot_clips(select_runs(tmp_path, method=["good", "alone"]))


def test_the_audit_holds_the_stated_the_published_and_the_measured(tmp_path: Path) -> None:
    write_run(tmp_path, "videogmae", [0.3, 0.6, 0.5], dataset="davis")
    write_run(tmp_path, "gmrw", [0.2, 0.5, 0.4], dataset="davis")
    write_run(tmp_path, "gmrw", [0.2, 0.5, 0.4], dataset="davis", protocol="tapvid-strided")  # no partner
    table = bars_audit.plot_bars_audit(select_runs(tmp_path)).table.set_index(["dataset", "kind"]).sort_index()
    printed = table.xs("printed", level="kind")["gain"].to_dict()
    assert printed == {"kinetics": 34.6, "kubric": 13.1, "davis": -1.2}
    for dataset, ours, theirs in (("kinetics", 60.1, 31.9), ("kubric", 54.3, 54.2), ("davis", 41.3, 41.8)):
        assert table.loc[(dataset, "recomputed"), "gain"] == pytest.approx(100 * (ours / theirs - 1))
    measured = table.xs("measured", level="kind")
    assert measured["gain"].isna().to_dict() == {"kinetics": True, "kubric": True, "davis": False}
    line = measured.loc["davis"]
    assert line["gain"] == pytest.approx(100 * (1.4 / 1.1 - 1), abs=1e-3)
    # The ratio of resampled sums lies between the ratios of the single clips.
    assert 100 * (0.6 / 0.5 - 1) - 1e-3 <= line["low"] < line["gain"] < line["high"] <= 50 + 1e-3


def test_bars_hold_the_stated_the_published_like_for_like_and_the_best_measured_pair(tmp_path: Path) -> None:
    for method, scores in (("videogmae", [0.3, 0.6, 0.5]), ("gmrw", [0.2, 0.5, 0.4])):
        write_run(tmp_path, method, scores, dataset="davis")
        write_run(tmp_path, method, [score / 2 for score in scores], dataset="davis", seed=1)
        write_run(tmp_path, method, scores, dataset="synth")
    made = bars.plot_bars(select_runs(tmp_path))
    gains = {(bar["dataset"], bar["kind"]): bar["gain"] for _, bar in made.table.iterrows()}
    assert gains == pytest.approx(
        {
            ("kinetics", "stated"): 34.6,
            ("kinetics", "published"): 100 * (60.1 / 31.9 - 1),
            ("kubric", "stated"): 13.1,
            ("kubric", "published"): 100 * (54.3 / 54.2 - 1),
            ("davis", "stated"): -1.2,
            ("davis", "published"): 100 * (41.3 / 41.8 - 1),
            ("davis", "measured"): 100 * (1.4 / 1.1 - 1),
        },
        abs=1e-3,
    )
    (axes,) = made.figure.axes
    written = {text.get_text() for text in axes.texts}
    assert {"+34.6", "+88.4", "+13.1", "+0.2", "−1.2", "+27.3"} == written
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["Kinetics", "Kubric", "DAVIS"]
    caption = made.figure.get_supxlabel()
    assert "synth (3 clips)" in caption.replace("\n", " ")  # too few to show
    assert "different protocols" in caption.replace("\n", " ")


@pytest.mark.parametrize("plot", [bars.plot_bars, bars_audit.plot_bars_audit])
def test_a_dataset_without_bars_is_refused(plot: Any) -> None:
    assert set(plot([], ["davis", "kubric"]).table["dataset"]) == {"davis", "kubric"}
    with pytest.raises(UnknownNameError, match="There are no bars for moon"):
        plot([], "moon")


def test_bars_need_no_run_and_can_be_limited_to_one_dataset(tmp_path: Path) -> None:
    for audit in ([], ["--audit"]):
        done = invoke("bars", "--results", tmp_path / "none", "--out", tmp_path, "--dataset", "davis", *audit)
        assert done.exit_code == 0, done.output
    for name in ("bars", "bars_audit"):
        assert set(pd.read_csv(tmp_path / f"{name}.csv")["dataset"]) == {"davis"}
    with pytest.raises(UsageError, match="only bars"):
        CliRunner().invoke(plot, ["cost", "--audit", "--out", "x"], catch_exceptions=False)


def test_other_figures_need_runs() -> None:
    with pytest.raises(UnknownNameError, match="No run fits"):
        CliRunner().invoke(plot, ["cost", "--results", "none", "--out", "x"], catch_exceptions=False)
    assert not Path("x").exists()


def training(folder: Path, columns: str, *lines: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "log.csv").write_text("\n".join([columns, *lines, ""]))
    return folder


def test_curves_show_losses_and_tracking_accuracy(tmp_path: Path) -> None:
    first = training(
        tmp_path / "a" / "tiny",
        "step,loss,delta_avg,delta_avg_zero_motion,end_point_error,correlation",
        "10,0.5,,,,",
        "20,0.25,0.3,0.2,0.9,-0.1",
    )
    second = training(tmp_path / "b" / "tiny", "step,loss", "10,3.0", "20,-2.0")
    made = curves.plot_curves([first, second])
    assert list(made.table["training"]) == ["a/tiny"] * 2 + ["b/tiny"] * 2
    losses, accuracies, errors, correlations = made.figure.axes
    assert losses.get_yscale() == "linear"  # a loss may be negative
    for axes, value, still in ((accuracies, 30.0, 20.0), (errors, 0.9, 1.0), (correlations, -0.1, 0.0)):
        drawn = [line.get_ydata()[0] for line in axes.lines[:2]]
        assert drawn == [pytest.approx(value), pytest.approx(still)]
    assert correlations.get_ylim()[0] < -0.1  # nothing is cut off
    assert len(curves.plot_curves([second]).figure.axes) == 1
    with pytest.raises(UnknownNameError, match="not a training"):
        curves.plot_curves([tmp_path])


def test_curves_are_found_below_results_and_trained(tmp_path: Path) -> None:
    training(tmp_path / "trained" / "tiny", "step,loss", "10,3.0", "20,2.0")
    assert invoke("curves", "--out", "figures").exit_code == 0
    assert set(pd.read_csv("figures/curves.csv")["training"]) == {"tiny"}


def test_overlapping_labels_move_as_little_as_possible() -> None:
    assert style.spread([0.2, 0.8], [0.1] * 2) == pytest.approx([0.2, 0.8])
    assert style.spread([0.5, 0.5, 0.1], [0.1] * 3) == pytest.approx([0.45, 0.55, 0.1])
    assert style.spread([1.0, 1.0, 0.99], [0.1] * 3) == pytest.approx([0.9, 1.0, 0.8])
    assert style.spread([0.5, 0.5], [0.1, 0.3]) == pytest.approx([0.4, 0.6])  # a label of several lines needs more
    assert style.spread([], []) == []
    crowded = np.sort(style.spread(list(np.random.default_rng(0).random(8)), [0.1] * 8))
    assert np.diff(crowded).min() >= 0.1 - 1e-9


def test_a_method_looks_the_same_whatever_is_beside_it_and_no_two_of_ours_look_alike() -> None:
    own = style.palette()
    assert len({colour for colour, _ in own.values()}) == len({marker for _, marker in own.values()}) == len(own)
    assert not {marker for _, marker in own.values()} & set(style.OTHER_MARKERS)
    ours = [plugin for plugin in plugins.installed("methods") if plugin.distribution == "vgmae-bench"]
    assert set(own) == {plugin.name for plugin in ours if not plugin.module.endswith(".peers")}  # trackers of others
    write_run(Path("results"), "stranger", [0.5, 0.6])
    write_run(Path("results"), "zero-motion", [0.4, 0.3])
    alone, both = (groups(select_runs(Path("results"), method=names))[0].looks for names in (["stranger"], []))
    assert alone["stranger"] == both["stranger"] != both["zero-motion"]
    assert (both["zero-motion"].color, both["zero-motion"].marker) == own["zero-motion"]


def test_of_many_runs_the_best_of_each_method_is_labelled_and_the_others_are_grey() -> None:
    for seed in range(3):
        for number in range(3):
            write_run(Path("results"), f"m{number}", [0.1 * seed, 0.2 * seed + 0.1 * number], seed=seed)
    (group,) = groups(select_runs(Path("results")))
    best = {f"m{number}": 100 * (0.15 * 2 + 0.05 * number) for number in range(3)}
    assert {
        text: group.runs[name].values("average_jaccard")[0] for name, text in group.labels.items()
    } == pytest.approx(best)
    assert [name for name, look in group.looks.items() if look != style.BACKGROUND] == list(group.labels)
    assert "Labelled: m2 " in group.sentence


def test_a_figure_for_one_column_puts_panels_below_each_other(results: Path, tmp_path: Path) -> None:
    options = ("--results", results, "--out", tmp_path, "--protocol", "tapvid-strided")
    for width in (3.3, 6.9):
        assert invoke("thresholds", *options, "--width", width).exit_code == 0
        with Image.open(tmp_path / "thresholds.png") as picture:
            assert picture.width == round(200 * width)
            assert (picture.height > picture.width) == (width == 3.3)


def test_help_needs_neither_numpy_nor_matplotlib() -> None:
    code = (
        "import sys; from vgmae_bench.cli.compare.plot import plot; plot(['--help'], standalone_mode=False);"
        "sys.exit(bool({'numpy', 'matplotlib', 'pandas', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_figures_need_no_torch(tmp_path: Path) -> None:
    write_run(tmp_path / "results", "videogmae", [0.3, 0.6])
    write_run(tmp_path / "results", "gmrw", [0.2, 0.5])
    code = (
        "import sys; sys.modules['torch'] = None; from vgmae_bench.cli.compare.plot import plot;"
        "[plot([name, '--out', 'figures'], standalone_mode=False) for name in ('bars', 'clips', 'cost')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    assert len(list((tmp_path / "figures").iterdir())) == 9
