"""table, compare and claims on the committed records, where torch cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from vgmae_bench.cli import cli, main
from vgmae_bench.compare.paired import compare
from vgmae_bench.compare.selection import select_pair, select_runs
from vgmae_bench.errors import UsageError

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "results"

# One process for all commands: what takes long is to start it.
PROGRAM = """
import contextlib, io, json, sys
sys.modules["torch"] = None  # importing it is an error
from vgmae_bench.cli import cli
said = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        cli(arguments, standalone_mode=False)
    said.append(out.getvalue())
print(json.dumps(said))
"""


def without_torch(*commands: list[str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(done.stdout)
    return said


def test_a_fresh_clone_compares_its_records_without_torch() -> None:
    out = ["--results", str(RESULTS)]
    first = ["--dataset", "synth", "--protocol", "tapvid-first"]
    text, md, latex, csv, as_json, ranked, compared, claims, told = without_torch(
        *(["table", "--format", form, *out] for form in ("text", "md", "latex", "csv", "json")),
        ["table", "--rank", "--published", *out],
        ["compare", "lucas-kanade", "zero-motion", *first, "--json", *out],
        ["claims", "--json", *out],
        ["compare", "lucas-kanade", "zero-motion", *first, *out],
    )
    rows = select_runs(RESULTS)
    records = json.loads(as_json)
    assert len(records) == len(rows) == csv.count("\n") - 1
    tables = len({row.protocol_digest for row in rows})
    assert md.count("| method |") == latex.count(r"\toprule") == tables
    assert text.count("tapvid-") >= tables
    assert "share a rank" in ranked
    assert "too few clips to rank" in ranked  # warp has 4
    comparison = json.loads(compared)
    assert [metric["label"] for metric in comparison["metrics"]] == ["AJ", "δ_avg", "OA"]
    assert comparison["metrics"][0]["p_holm"] < 0.05
    assert len(comparison["metrics"][0]["best"]) == 5
    assert "lucas-kanade is better than zero-motion" in comparison["sentences"][0]
    assert comparison["sentences"][0] in told
    assert [claim["stated"] for claim in json.loads(claims) if "stated" in claim] == [34.6, 13.1, -1.2]


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_compare_truncates_no_name_and_no_number(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    runs = ["videogmae.masked-32px-readout", "lucas-kanade", "--dataset", "synth", "--protocol", "tapvid-first"]
    result = CliRunner().invoke(cli, ["compare", *runs, "--metric", "AJ", "--results", str(RESULTS)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1:3] == ["A  videogmae (masked-32px-readout)", "B  lucas-kanade"]
    grid = [line for line in lines if line.startswith(("│", "┃"))]
    (found,) = compare(
        *select_pair(RESULTS, ("videogmae.masked-32px-readout", "lucas-kanade"), "synth", "tapvid-first")
    )[:1]
    values = [f"{found.scale * value:.2f}" for value in (found.first, found.second, found.difference)]
    assert all(any(value in line for line in grid) for value in values)
    assert "…" not in result.stdout
    assert width < 80 or max(map(len, grid)) <= width


def test_methods_are_separated_by_commas_or_repeated() -> None:
    asked = ["table", "--results", str(RESULTS), "--dataset", "warp", "--format", "json"]
    found = [
        {record["method"] for record in json.loads(CliRunner().invoke(cli, [*asked, *methods]).stdout)}
        for methods in (["--method", "dis,zero-motion"], ["--method", "dis", "--method", "zero-motion"])
    ]
    assert found == [{"dis", "zero-motion"}] * 2


def test_csv_has_all_columns_and_chosen_metrics() -> None:
    asked = ["table", "--results", str(RESULTS), "--dataset", "warp", "--format", "csv"]
    result = CliRunner().invoke(cli, [*asked, "--columns", "clips"])
    assert isinstance(result.exception, UsageError)
    header = CliRunner().invoke(cli, [*asked, "--metric", "survival,OA"]).stdout.splitlines()[0]
    assert "survival_low" in header
    assert "occlusion_accuracy_low" in header
    assert "average_jaccard" not in header


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["compare", "lucas-kanade", "zero-motoin"], 'There is no scored run "zero-motoin"'),
        (["compare", "lucas-kanade", "lucas-kanade"], "have different queries"),
        (["table", "lucas-kanade"], "fits"),
        (["table", "--dataset", "warp,moon"], 'No run fits "moon"'),
    ],
)
def test_mistakes_are_errors_of_one_line(
    arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["vgmae-bench", *arguments, "--results", str(RESULTS)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("Error: ")
    assert expected in told
    assert len(told.strip().splitlines()) <= 2
