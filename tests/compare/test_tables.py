"""Tables in every format, and what they say of runs that do not compare."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.records import write_run
from vgmae_bench.compare import tables
from vgmae_bench.compare.content import build, check_comparable, flat
from vgmae_bench.compare.selection import Row, select_runs
from vgmae_bench.errors import UsageError

OUT = Path("results")


@pytest.fixture
def rows() -> list[Row]:
    """Two that tie at the top, one below, one of which only a part was scored and which would be the best."""
    write_run(OUT, "one", [0.5, 0.7])
    write_run(OUT, "tied_&", [0.7, 0.50001])
    write_run(OUT, "third", [0.1, 0.3])
    write_run(OUT, "partial", [0.9, 0.8], expected=9)
    return select_runs(OUT, incomplete=True)


def test_the_best_and_the_second_stand_out_and_ties_share(rows: list[Row]) -> None:
    marks = [(line.name, line.cells[0].mark) for line in build(rows).measured]
    # By AJ, which is 60.0 and 60.0005 for those that print alike.
    assert marks == [("partial*", ""), ("tied_&", "best"), ("one", "best"), ("third", "second")]
    assert [line.cells[0].mark for line in build(rows[:1]).measured] == [""]  # nothing to be better than


def test_what_another_program_took_is_not_known() -> None:
    write_run(OUT, "theirs", [0.5, 0.7])
    (row,) = select_runs(OUT)
    row.summary.update(seconds=0, frames=0, peak_memory_mb=None)
    (line,) = build([row]).measured
    assert line.details == ["2", "–", "–"]
    (told,) = flat([row])
    assert {told[cost] for cost in ("seconds", "peak_memory_mb")} == {None}


def test_latex(rows: list[Row]) -> None:
    text = tables.latex(build(rows))
    assert r"tied\_\& & \textbf{60.00} {\scriptsize [50.0, 70.0]} & " in text
    assert r"third & \underline{20.00} {\scriptsize [10.0, 30.0]} & " in text
    assert r"$\delta_{\mathrm{avg}}$" in text
    assert r"256$\times$256" in text
    assert r"2 of 9 clips; not for comparison." in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule") < text.index(r"\caption")
    assert text.count(r"\begin") == text.count(r"\end")
    assert text.isascii()  # any engine, any input encoding
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in body} == {6}


def test_markdown_is_a_table_of_equal_columns(rows: list[Row]) -> None:
    lines = tables.markdown(build(rows)).splitlines()
    assert lines[0].startswith("synth, tapvid-first v1")
    grid = [line for line in lines if line.startswith("|")]
    assert len(grid) == 2 + 4
    assert len({line.count("|") for line in grid}) == 1
    assert "| one | **60.00** [50.0, 70.0] |" in "\n".join(grid)
    assert "| partial* | 85.00" in "\n".join(grid)


def test_text_has_the_protocol_the_coverage_and_the_warning(
    rows: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    tables.print_text(build(rows, rank=True))
    text = capsys.readouterr().out
    assert text.startswith("synth, tapvid-first v1: query first")
    assert "85.00 [80.0, 90.0]" in text
    assert "2 of 9" in text
    assert "* partial: incomplete, 2 of 9 clips; not for comparison." in text
    assert "share a rank" in text


def test_csv_and_json_hold_the_same_fractions(rows: list[Row]) -> None:
    records = flat(rows, rank=True)
    from_csv = list(csv.DictReader(io.StringIO(tables.as_csv(records))))
    from_json = json.loads(tables.as_json(records))
    assert [record["method"] for record in from_json] == [record["method"] for record in from_csv]
    for text, number in zip(from_csv, from_json, strict=True):
        assert float(text["average_jaccard"]) == number["average_jaccard"]
        assert number["average_jaccard_low"] <= number["average_jaccard"] <= number["average_jaccard_high"]
        assert number["complete"] == (number["method"] != "partial")
        assert number["rank"] == 1  # two clips separate nothing


def test_a_mean_without_a_value_is_told(rows: list[Row]) -> None:
    write_run(OUT, "gaps", [0.5, np.nan])
    text = tables.markdown(build(select_runs(OUT, ["gaps", "one"])))
    assert "| gaps | – | – | – |" in text
    assert "AJ has no value on 1 questions; 50.00 without them" in text


def test_protocols_do_not_mix(rows: list[Row]) -> None:
    write_run(OUT, "one", [0.5, 0.7], protocol="tapvid-strided")
    with pytest.raises(UsageError, match="synth with tapvid-first; synth with tapvid-strided"):
        check_comparable(select_runs(OUT))
    check_comparable(rows)


def test_published_rows_stand_below_with_source_and_mark() -> None:
    write_run(OUT, "ours", [0.5, 0.7], dataset="davis", protocol="tapvid-strided")
    table = build(select_runs(OUT), with_published=True)
    by_name = {line.name: line for line in table.literature}
    gmrw = by_name["GMRW-C"]
    assert gmrw.cells[0].value == "41.8"  # no more digits than its source has
    assert gmrw.competes
    assert gmrw.details[-1] == "arXiv:2409.16288, secondary"
    marked = next(line for name, line in by_name.items() if name.startswith("Video-GMAE zero-shot †"))
    assert not marked.competes
    assert marked.cells[0].mark == ""
    number = marked.name.rpartition("†")[2]
    assert any(note.startswith(f"†{number} not this protocol") and "first 5 frames" in note for note in table.notes)
    assert not any("36.47" in line.cells[0].value for line in table.literature)  # query first: never in this table
    assert {line.details[-1] for line in table.measured} == {"measured"}
    records = flat(select_runs(OUT), with_published=True)
    quoted = next(record for record in records if record["method"] == "GMRW-C")
    assert quoted["average_jaccard"] == pytest.approx(0.418)
    assert quoted["comparable"]
    for form in (tables.markdown, tables.latex):
        assert "GMRW-C" in form(table)


def test_without_published_numbers_the_table_says_so() -> None:
    write_run(OUT, "ours", [0.5, 0.7])
    assert "No published numbers are known for synth." in build(select_runs(OUT), with_published=True).notes
