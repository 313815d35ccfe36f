"""The selection of runs for a command, and its error messages."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from tests.records import write_run
from tests.shared.logs import logged
from vgmae_bench.compare.row import clip_values
from vgmae_bench.compare.selection import select_pair, select_runs
from vgmae_bench.errors import BadDataError, UnknownNameError, UsageError

OUT = Path("results")


def test_without_names_all_complete_runs_are_selected() -> None:
    first = write_run(OUT, "a", [0.1, 0.2])
    write_run(OUT, "b", [0.1], expected=2)
    reference = write_run(OUT / "reference", "c", [0.1, 0.2])
    with logged() as told:
        assert [row.run.path for row in select_runs(OUT)] == [first, reference]
    assert len(told) == 1
    assert "1 of 2 clips" in told[0]
    assert len(select_runs(OUT, incomplete=True)) == 3


def test_filters() -> None:
    for method, protocol in (("a", "tapvid-first"), ("b", "tapvid-first"), ("a", "tapvid-strided")):
        write_run(OUT, method, [0.1, 0.2], protocol=protocol)
    assert [row.method for row in select_runs(OUT, protocol="tapvid-first")] == ["a", "b"]
    assert [row.protocol for row in select_runs(OUT, method=["a"])] == ["tapvid-first", "tapvid-strided"]
    assert len(select_runs(OUT, dataset=["synth"], protocol=["tapvid-first", "tapvid-strided"])) == 3
    with pytest.raises(UnknownNameError, match="No run fits: looked in empty"):
        select_runs(Path("empty"), dataset="davis")


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        ({"dataset": "davis"}, '"davis": results has runs on synth'),
        ({"dataset": ["synth", "davis"]}, '"davis": results has runs on synth'),
        ({"protocol": "tapvid-frist"}, '"tapvid-frist". Did you mean tapvid-first?'),
        ({"method": ["a", "other"]}, '"other": results has runs of a'),
    ],
)
def test_a_filter_that_no_run_fits_is_named_with_what_there_is(filters: dict[str, Any], why: str) -> None:
    write_run(OUT, "a", [0.1, 0.2])
    with pytest.raises(UnknownNameError, match=re.escape(f"No run fits {why}")):
        select_runs(OUT, **filters)


def test_names_are_folders_keys_or_methods_that_one_run_fits() -> None:
    folder = write_run(OUT, "a", [0.1, 0.2])
    write_run(OUT, "b", [0.1, 0.2])
    write_run(OUT, "b", [0.1, 0.2], seed=1)
    for name in (str(folder), folder.name, folder.name[:5], "a", f"a/{folder.name}"):
        assert [row.run.path for row in select_runs(OUT, [name])] == [folder]
    assert len(select_runs(OUT, ["a", folder.name])) == 1  # the same run twice is one run
    with pytest.raises(UnknownNameError, match='"b" fits 2 runs'):
        select_runs(OUT, ["b"])
    with pytest.raises(UnknownNameError, match="no scored run"):
        select_runs(OUT, ["zzz"])


def test_a_named_incomplete_run_is_refused_unless_allowed() -> None:
    write_run(OUT, "a", [0.1], expected=60)
    with pytest.raises(UsageError, match=r"incomplete.*1 of 60 clips"):
        select_runs(OUT, ["a"])
    assert not select_runs(OUT, ["a"], incomplete=True)[0].complete


def test_a_complete_own_run_precedes_the_same_reference_run() -> None:
    reference = write_run(OUT / "reference", "a", [0.1, 0.2])
    own = write_run(OUT, "a", [0.1], expected=2)
    assert [row.run.path for row in select_runs(OUT)] == [reference]
    for file in own.iterdir():
        file.unlink()
    own.rmdir()
    own = write_run(OUT, "a", [0.1, 0.2])
    assert [row.run.path for row in select_runs(OUT)] == [own]


@pytest.mark.parametrize("damage", ['{"key"', "[]", '{"schema": 2, "key": 1}', '{"schema": 99}'])
def test_damaged_records_are_named_and_left_out(damage: str) -> None:
    good, bad = write_run(OUT, "a", [0.1, 0.2]), write_run(OUT, "b", [0.1, 0.2])
    (bad / "record.json").write_text(damage)
    with logged() as told:
        assert [row.run.path for row in select_runs(OUT)] == [good]
    expected = "newer vgmae-bench" if "99" in damage else "damaged"
    assert expected in told[0]
    with pytest.raises(BadDataError, match=expected):
        select_runs(OUT, [str(bad)])


def test_scores_by_clip_are_means_over_its_query_sets() -> None:
    clips = ["007", "NA", "007", "nan"]
    write_run(OUT, "a", [0.1, 0.2, 0.4, math.nan], clips=clips, protocol="videogmae-release")
    values = clip_values(select_runs(OUT)[0], "average_jaccard")
    assert list(values) == ["007", "NA", "nan"]
    assert values["007"] == pytest.approx(0.25)
    assert values["NA"] == 0.2
    assert math.isnan(values["nan"])


def test_metrics_and_their_file_must_be_there() -> None:
    folder = write_run(OUT, "a", [0.1, 0.2])
    with pytest.raises(UnknownNameError, match="Did you mean average_jaccard"):
        clip_values(select_runs(OUT)[0], "average_jacard")
    (folder / "metrics.csv").write_text("x\n1\n")
    with pytest.raises(BadDataError, match="no column clip"):
        clip_values(select_runs(OUT)[0], "average_jaccard")
    (folder / "metrics.csv").unlink()
    with pytest.raises(BadDataError, match=r"metrics\.csv cannot be read"):
        clip_values(select_runs(OUT)[0], "average_jaccard")


def test_two_methods_are_a_pair_if_they_have_the_same_queries() -> None:
    write_run(OUT, "a", [0.1, 0.2])
    write_run(OUT, "b", [0.1, 0.2])
    strided = write_run(OUT, "a", [0.1, 0.2], protocol="tapvid-strided")
    a, b = select_pair(OUT, ("a", "b"))
    assert (a.method, b.method, a.protocol) == ("a", "b", "tapvid-first")
    with pytest.raises(UsageError, match="have different queries"):
        select_pair(OUT, (str(strided), "b"))
    with pytest.raises(UsageError, match="the same run"):
        select_pair(OUT, ("b", "b"))
    write_run(OUT, "b", [0.1, 0.2], protocol="tapvid-strided")
    with pytest.raises(UnknownNameError, match="fit 2 pairs"):
        select_pair(OUT, ("a", "b"))
    assert select_pair(OUT, ("a", "b"), protocol="tapvid-strided")[1].protocol == "tapvid-strided"
