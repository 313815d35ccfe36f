"""The examples in README and documentation work, and their commands and options exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.clips import write_davis
from tests.shared.plans import plan
from vgmae_bench.cli import cli
from vgmae_bench.evaluation.run import execute

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
COMMANDS = sorted(set(re.findall(r"vgmae-bench [a-z][^`\n#…]*", TEXT)))


def example(file: str) -> str:
    """The Python file with this name in the documentation. All pages must show the same file."""
    (found,) = {text for text in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if text.startswith(f'"""{file}:')}
    return str(found)


def test_the_example_tracker_tracks(tmp_path: Path) -> None:
    (tmp_path / "my_tracker.py").write_text(example("my_tracker.py"))
    root = write_davis(tmp_path / "data")
    theirs = execute(plan(str(tmp_path / "my_tracker.py") + ":Stay", "davis", data_root=root))
    assert theirs.metrics == execute(plan("zero-motion", "davis", data_root=root)).metrics


def test_the_example_dataset_is_one(tmp_path: Path) -> None:
    (tmp_path / "my_dataset.py").write_text(example("my_dataset.py"))
    found = execute(plan("lucas-kanade", str(tmp_path / "my_dataset.py") + ":Squares"))
    found_accuracy = found.metrics["average_pts_within_thresh"].mean
    assert found_accuracy is not None and found_accuracy > 0.8


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    known = {"--help", *(option for parameter in command.params for option in parameter.opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known
