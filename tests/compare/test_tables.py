"""Tables in every format, and their notes about runs that are not comparable."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.records import write_run
from vgmae_bench.compare import tables
from vgmae_bench.compare.cells import published_tables
from vgmae_bench.compare.content import build, check_comparable, find_columns, find_sort, flat_records
from vgmae_bench.compare.row import HEADLINE, Row, find_metrics
from vgmae_bench.compare.selection import select_runs
from vgmae_bench.compare.tables import as_csv, as_json
from vgmae_bench.data.dataset import Coverage
from vgmae_bench.errors import UnknownNameError, UsageError
from vgmae_bench.evaluation.store import RunFolder

OUT = Path("results")


@pytest.fixture
def rows() -> list[Row]:
    """Two runs that tie as the best, a worse run, and an incomplete run with the highest score."""
    write_run(OUT, "one", [0.5, 0.7])
    write_run(OUT, "tied_&", [0.7, 0.50001])
    write_run(OUT, "third", [0.1, 0.3])
    write_run(OUT, "partial", [0.9, 0.8], expected=9)
    return select_runs(OUT, incomplete=True)


def test_the_best_and_second_best_are_marked_and_ties_share_the_mark(rows: list[Row]) -> None:
    marks = [(line.name, line.cells[0].mark) for line in build(rows).measured]
    # By AJ, which is 60.0 and 60.0005 for those that print alike.
    assert marks == [("partial*", ""), ("tied_&", "best"), ("one", "best"), ("third", "second")]
    assert [line.cells[0].mark for line in build(rows[:1]).measured] == [""]  # nothing to be better than


def test_external_predictions_have_no_cost() -> None:
    write_run(OUT, "theirs", [0.5, 0.7])
    (row,) = select_runs(OUT)
    row = replace(row, summary=replace(row.summary, seconds=0, frames=0, peak_memory_mb=None))
    (line,) = build([row]).measured
    assert line.details == ["2", "–", "–"]
    (told,) = flat_records([row])
    assert {told[cost] for cost in ("seconds", "peak_memory_mb")} == {None}


def test_latex(rows: list[Row]) -> None:
    text = tables.latex(build(rows))
    assert r"tied\_\& & \textbf{60.00} {\scriptsize [50.0, 70.0]} & " in text
    assert r"third & \underline{20.00} {\scriptsize [10.0, 30.0]} & " in text
    assert r"$\delta_{\mathrm{avg}}$" in text
    assert r"256$\times$256" in text
    assert r"2 of 9 clips. Do not compare it." in text
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
    rows: list[Row], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    tables.print_text(build(rows, rank=True))
    text = capsys.readouterr().out
    assert text.startswith("synth, tapvid-first v1: query first")
    assert "85.00 [80.0, 90.0]" in text
    assert "* partial: incomplete, 2 of 9 clips. Do not compare it." in text
    assert (
        "too few clips to rank. On 2 clips no paired test over 4 runs can reach the 5 % level; 8 clips could." in text
    )
    assert "┃ rank ┃" not in text


def test_csv_and_json_hold_the_same_fractions(rows: list[Row]) -> None:
    records = flat_records(rows, rank=True)
    from_csv = list(csv.DictReader(io.StringIO(as_csv(records))))
    from_json = json.loads(as_json(records))
    assert [record["method"] for record in from_json] == [record["method"] for record in from_csv]
    for text, number in zip(from_csv, from_json, strict=True):
        assert float(text["average_jaccard"]) == number["average_jaccard"]
        assert number["average_jaccard_low"] <= number["average_jaccard"] <= number["average_jaccard_high"]
        assert number["complete"] == (number["method"] != "partial")
        assert number["rank"] is None  # two clips are too few for a significant difference
        assert json.loads(text["settings"]) == number["settings"]


def test_csv_and_json_can_be_sorted_and_hold_chosen_metrics(rows: list[Row]) -> None:
    records = flat_records(rows, metrics=["average_jaccard"], sort="average_jaccard")
    assert [record["method"] for record in records] == ["partial", "tied_&", "one", "third"]
    assert all("average_jaccard_low" in record and "occlusion_accuracy" not in record for record in records)


def test_a_mean_without_a_value_is_told(rows: list[Row]) -> None:
    write_run(OUT, "gaps", [0.5, np.nan])
    text = tables.markdown(build(select_runs(OUT, ["gaps", "one"])))
    assert "| gaps | 50.00 (n=1) [50.0, 50.0] | 50.00 (n=1) [50.0, 50.0] | 50.00 (n=1) [50.0, 50.0] |" in text
    assert "the mean covers n query sets" in text
    assert "**60.00**" not in text  # means over different query sets do not compare


def test_protocols_do_not_mix(rows: list[Row]) -> None:
    write_run(OUT, "one", [0.5, 0.7], protocol="tapvid-strided")
    with pytest.raises(UsageError, match="synth with tapvid-first; synth with tapvid-strided"):
        check_comparable(select_runs(OUT))
    check_comparable(rows)


def test_published_rows_stand_below_with_source_and_mark() -> None:
    write_run(OUT, "ours", [0.5, 0.7], dataset="davis", protocol="tapvid-strided")
    table = build(select_runs(OUT), with_published="all")
    by_name = {line.name: line for line in table.literature}
    gmrw = by_name["GMRW-C ‡"]
    assert gmrw.cells[0].value == "41.8"  # no more digits than its source has
    assert gmrw.competes
    assert gmrw.details[-1] == "arXiv:2409.16288"
    assert gmrw.key == "arXiv:2409.16288"
    marked = next(line for name, line in by_name.items() if name.startswith("Video-GMAE zero-shot ‡†"))
    assert not marked.competes
    assert marked.cells[0].mark == ""
    number = marked.name.rpartition("†")[2]
    assert any(note.startswith(f"†{number} Another protocol") and "first 5 frames" in note for note in table.notes)
    assert not any("36.47" in line.cells[0].value for line in table.literature)  # query first: never in this table
    assert {line.details[-1] for line in table.measured} == {"measured"}
    records = flat_records(select_runs(OUT), with_published="all")
    quoted = next(record for record in records if record["method"] == "GMRW-C")
    assert quoted["average_jaccard"] == pytest.approx(0.418)
    assert quoted["comparable"]
    for form in (tables.markdown, tables.latex):
        assert "GMRW-C" in form(table)


def test_without_published_numbers_the_table_says_so() -> None:
    write_run(OUT, "ours", [0.5, 0.7])
    table = build(select_runs(OUT), with_published="all")
    assert "There are no published numbers for synth." in table.notes
    assert table.details == ["clips", "ms/frame", "peak MB"]  # no column with "measured" in every line
    assert {len(line.details) for line in table.measured} == {3}


def test_published_numbers_need_no_runs_and_can_be_chosen() -> None:
    first, _ = published_tables(["davis"], [], list(HEADLINE), "all")
    assert first.title == "davis, tapvid-first: published numbers"
    assert not first.measured
    names = [line.name.partition(" ‡")[0].partition(" †")[0] for line in first.literature]
    assert names.count("MFT") == 1  # two papers quote the same three numbers
    assert "and 1 more" in next(line.details[-1] for line in first.literature if line.name.startswith("MFT"))
    (primary, _) = published_tables(["davis"], [], list(HEADLINE), "primary")
    assert 0 < len(primary.literature) < len(first.literature)
    assert not any("‡" in line.name for line in primary.literature)
    (chosen,) = published_tables(["davis"], ["tapvid-strided"], list(HEADLINE), "gmrw-c, tap-net")
    assert {line.name.split()[0] for line in chosen.literature} == {"GMRW-C", "TAP-Net"}
    assert r"GMRW-C $\ddagger$~\cite{arXiv:2409.16288}" in tables.latex(chosen)
    with pytest.raises(UnknownNameError, match='No published method is called "gmwr"'):
        published_tables(["davis"], [], list(HEADLINE), "gmwr")
    with pytest.raises(UnknownNameError, match="no published numbers for synth"):
        published_tables(["synth"], [], list(HEADLINE), "all")


def test_published_numbers_do_not_compete_with_runs_on_a_part_of_the_set() -> None:
    for whole in (True, False):
        run = write_run(OUT, f"ours-{whole}", [0.9, 0.95], dataset="davis")
        if not whole:
            cover(run, here=2, published=30)
        table = build(select_runs(OUT, [str(run)]), with_published="all")
        assert table.measured[0].cells[0].mark == ("best" if whole else "")
        assert any("part of it" in note for note in table.notes) != whole
    assert table.measured[0].details[0] == "2 of 30 published"
    assert "| 2 of 30 published |" in tables.markdown(table)
    assert "2 of 30 published" in as_csv(flat_records(select_runs(OUT, [str(run)])))


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_number_and_no_name_is_cut(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for k in range(3):
        write_run(OUT, f"method with a long name number {k}", [0.5, 0.7 - k / 10])
    table = build(select_runs(OUT))
    tables.print_text(table)
    lines = capsys.readouterr().out.splitlines()
    grid = [line for line in lines if line.startswith(("│", "┃"))]
    assert {len(line) for line in grid} == {max(map(len, grid))}
    assert max(map(len, grid)) <= width
    assert "…" not in "".join(lines)
    text = " ".join(" ".join(line.split("│")[1] for line in grid if "│" in line).split())
    for line in table.measured:
        assert line.name in text
        values = [cell.value for cell in line.cells]
        assert any(all(value in shown for value in values) for shown in grid)
    assert ("ms/frame" in grid[0]) == (width == 200)
    assert ("Left out at this width: ms/frame, peak MB." in lines) == (width < 200)
    assert any(("[50.0, 70.0]" if width >= 120 else "60.00 ±10.0") in line for line in grid)


def test_marks_stay_with_names_and_addresses_break_after_slashes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    (table, _) = published_tables(["davis"], [], list(HEADLINE), "primary")
    tables.print_text(table)
    rows = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert not any(row[0].strip().startswith(("†", "‡")) for row in rows)
    assert any(row[0].strip().endswith("†4") for row in rows)
    sources = [row[-1].strip() for row in rows]
    assert any(source.startswith("github.com/") and source.endswith("/") for source in sources)
    whole = "".join(sources)
    for line in table.literature:
        assert line.details[-1].replace(" ", "") in whole.replace(" ", "")


def test_many_metrics_go_into_further_tables_below(
    rows: list[Row], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    tables.print_text(build(rows))
    lines = capsys.readouterr().out.splitlines()
    headers = [line for line in lines if line.startswith("┃")]
    assert len(headers) > 1
    assert [name for name in HEADLINE.values() if not any(name in line for line in headers)] == []
    assert max(len(line) for line in lines if line.startswith("│")) <= 44
    assert "clips" in headers[0]
    assert not any("clips" in line for line in headers[1:])


def test_in_a_tiny_terminal_lines_overflow_instead_of_being_truncated(
    rows: list[Row], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    tables.print_text(build(rows, columns=["clips", "run", "protocol"]))
    text = capsys.readouterr().out
    assert "…" not in text
    assert all(value in text for value in ("partial*", "tapvid-first", "60.00"))


def test_metrics_columns_and_order_are_chosen() -> None:
    error = "median_trajectory_error"
    for number, (jaccard, pixels) in enumerate([(0.5, 3.0), (0.6, 2.0), (0.7, 4.0)]):
        write_run(OUT, f"m{number}", {"average_jaccard": [jaccard], error: [pixels]})
    rows = select_runs(OUT)
    shown = find_metrics(["aj", error], rows[0].summary.metrics)
    assert shown == ["average_jaccard", error]
    table = build(rows, metrics=shown, sort=find_sort("mte, px", shown), columns=find_columns("clips, run"))
    assert [line.name for line in table.measured] == ["m1", "m0", "m2"]  # fewer pixels are better
    assert [line.cells[1].value for line in table.measured] == ["2.00", "3.00", "4.00"]  # px, not percent
    assert [line.cells[1].mark for line in table.measured] == ["best", "second", ""]
    assert [line.cells[0].mark for line in table.measured] == ["second", "", "best"]
    assert table.details == ["clips", "run"]
    assert [line.name for line in build(rows, sort="method").measured] == ["m0", "m1", "m2"]
    with pytest.raises(UnknownNameError, match='no column "cost"'):
        find_columns("cost")
    with pytest.raises(UnknownNameError, match='There is no column or metric "luck"'):
        find_sort("luck", shown)
    with pytest.raises(UnknownNameError, match='No run has a metric "AJX"'):
        find_metrics(["AJX"], shown)


def test_runs_of_several_protocols_in_one_table_have_no_best() -> None:
    write_run(OUT, "one", [0.5, 0.7])
    write_run(OUT, "one", [0.5, 0.8], protocol="tapvid-strided")
    table = build(select_runs(OUT))
    assert {cell.mark for line in table.measured for cell in line.cells} == {""}
    assert table.details[:2] == ["dataset", "protocol"]
    assert [[line.name, *line.details[:2]] for line in table.measured] == [
        ["one", "synth", "tapvid-strided"],
        ["one", "synth", "tapvid-first"],
    ]


def cover(run: Path, here: int, published: int) -> None:
    """Set the record of a run to a part of the published dataset."""
    folder = RunFolder(run)
    record = folder.record()
    dataset = replace(record.dataset, coverage=Coverage(published, here, None))
    replace(record, dataset=dataset).write(folder.path / "record.json")
