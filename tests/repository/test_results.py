"""The tables in README and documentation and the data of the figures equal the committed records."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import vgmae_bench
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
def test_figures_come_from_the_records(name: str) -> None:
    """Their numbers. That a figure is drawn from its numbers is tested in tests/compare."""
    table = vgmae_bench.load_runs(REFERENCE).plot(name).table
    assert table.to_csv(index=False, lineterminator="\n") == (FIGURES / f"{name}.csv").read_text()
    assert {file.suffix for file in FIGURES.glob(f"{name}.*")} == {".png", ".pdf", ".csv"}
