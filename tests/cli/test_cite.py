"""`vgmae-bench cite`: entries that BibTeX can read."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner, Result

from vgmae_bench import plugins
from vgmae_bench.cli import cli
from vgmae_bench.compare import published


def call(*names: str) -> Result:
    return CliRunner().invoke(cli, ["cite", *names])


def entries(text: str) -> list[str]:
    """The keys of the entries. Fails if braces do not balance."""
    keys = []
    for entry in re.split(r"^(?=[@%])", text, flags=re.MULTILINE):
        if entry.startswith("@"):
            assert entry.count("{") == entry.count("}") and entry.rstrip().endswith("}"), entry
            keys.append(re.match(r"@\w+\{([^,\s]+),", entry)[1])  # type: ignore[index]
    return keys


def test_tapvid_and_the_benchmark_are_always_cited_once() -> None:
    assert entries(call().stdout) == ["doersch2022tapvid", "vgmae_bench"]
    assert entries(call("davis", "rgb-stacking").stdout) == ["doersch2022tapvid", "vgmae_bench"]


def test_methods_and_datasets_come_first_and_in_order() -> None:
    keys = entries(call("gmrw", "videogmae", "kubric").stdout)
    assert keys == [
        "shrivastava2024gmrw",
        "baranwal2025tracking",
        "greff2022kubric",
        "doersch2022tapvid",
        "vgmae_bench",
    ]


def test_an_entry_without_a_paper_is_a_comment() -> None:
    assert call("zero-motion").stdout.startswith("% zero-motion: ")


def test_everything_that_ships_can_be_cited() -> None:
    names = [plugin.name for kind in ("methods", "datasets") for plugin in plugins.installed(kind)]
    result = call(*names)
    assert result.exit_code == 0
    assert len(set(entries(result.stdout))) == len(entries(result.stdout)) > 8


def test_every_key_that_tables_cite_has_an_entry() -> None:
    keys = entries(call("--published").stdout)
    assert {row.bibtex_key for row in published.read()} == set(keys) - {"doersch2022tapvid", "vgmae_bench"}
    assert len(keys) == len(set(keys))


def test_a_key_of_a_table_is_a_name() -> None:
    told = call("arXiv:2306.08637").stdout
    assert entries(told) == ["arXiv:2306.08637", "doersch2022tapvid", "vgmae_bench"]
    assert "title={{TAPIR}: " in told and "year={2023}" in told


@pytest.mark.parametrize("name", ["videogmea", "nothing-like-it"])
def test_an_unknown_name_is_one_line(name: str) -> None:
    result = call(name)
    assert result.exit_code != 0 and "There is no method and no dataset" in str(result.exception)
