"""Features of all commands: working examples, --debug, and options with a single value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from vgmae_bench import plugins
from vgmae_bench.cli import COMMANDS, cli
from vgmae_bench.errors import UsageError

ROOT = Path(__file__).parents[2]


def commands() -> Iterator[tuple[str, click.Command]]:
    """All commands by name, including the commands of groups."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())


ALL = dict(commands())
LINES = {line.strip() for command in ALL.values() for line in (command.epilog or "").splitlines()[2:]}
EXAMPLES = sorted(line for line in LINES if "vgmae" in line)  # others are commands of the shell


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


@pytest.mark.parametrize("name", ALL)
def test_every_help_ends_with_examples_of_that_command(name: str) -> None:
    help = invoke(*name.split(), "--help").output
    assert f"vgmae-bench {name}" in help.split("Examples:")[1]
    assert "--debug" in help or isinstance(ALL[name], click.Group)


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_use_existing_names(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options, choices, methods, datasets, settings and runs of an example exist. The user's own files need not exist."""
    words = shlex.split(line)
    words = words[words.index("vgmae-bench" if "vgmae-bench" in words else "vgmae_bench") + 1 :]
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None
        command = found
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            monkeypatch.setattr(parameter.type, "exists", False)
    values = command.make_context(command.name, words, resilient_parsing=False).params
    for run in [word for word in words if re.search(r"(^|/)[0-9a-f]{8}$", word)]:
        assert (ROOT / run / "record.json").is_file(), run
    methods = values.get("method") or ()
    for method in [methods] if isinstance(methods, str) else methods:
        for name in re.split(",", method) if isinstance(method, str) else method:
            if ".py:" not in name:
                plugins.find("methods", name)
    datasets = values.get("dataset") or ()
    for dataset in [datasets] if isinstance(datasets, str) else datasets:
        for name in re.split(",", dataset) if isinstance(dataset, str) else dataset:
            plugins.find("datasets", name)


def test_a_repeated_single_value_option_is_an_error() -> None:
    with pytest.raises(UsageError, match="--device is given twice"):
        invoke("run", "--method", "zero-motion", "--dataset", "synth", "--device", "cpu", "--device", "cuda")
    assert invoke("list", "methods", "--json", "--json").exit_code == 0  # says the same twice


def test_commands_that_only_read_explain_the_old_option_out() -> None:
    for name, command in ALL.items():
        options = {option for parameter in command.params for option in parameter.opts}
        if "--results" in options and "--out" not in options:
            arguments = [parameter.name for parameter in command.params if isinstance(parameter, click.Argument)]
            with pytest.raises(UsageError, match="--results names the folder"):
                invoke(*name.split(), *map(str, arguments), "--out", "somewhere")


def test_debug_works_before_and_after_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for arguments in (["--debug", "list", "metrics"], ["list", "metrics", "--debug"], ["data", "list", "--debug"]):
        monkeypatch.setenv("VGMAE_BENCH_DEBUG", "")
        assert invoke(*arguments).exit_code == 0
        assert os.environ["VGMAE_BENCH_DEBUG"] == "1"
