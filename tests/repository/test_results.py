"""The tables in README and documentation and the data of the figures equal the committed records."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from vgmae_bench.cli import cli

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
FIGURES = ROOT / "results" / "figures"


def call(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("dataset", ["synth", "warp"])
def test_tables_come_from_the_records(dataset: str) -> None:
    options = ("--dataset", dataset, "--protocol", "tapvid-first", "--format", "md")
    table = call("table", "--results", REFERENCE, *options).strip()
    assert table.count("\n") > 6
    assert table in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    if dataset == "synth":
        assert table in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["bars", "bars_audit", "cost", "occlusion", "thresholds"])
def test_figures_come_from_the_records(name: str, tmp_path: Path) -> None:
    options = ["bars", "--audit"] if name == "bars_audit" else [name]
    call("plot", *options, "--results", REFERENCE, "--out", tmp_path)
    assert (tmp_path / f"{name}.csv").read_text() == (FIGURES / f"{name}.csv").read_text()
    assert {file.suffix for file in FIGURES.glob(f"{name}.*")} == {".png", ".pdf", ".csv"}
