"""Log messages: the command line prints them. Python prints none unless the user configures logging."""

from __future__ import annotations

import io
import logging
import sys

import click
import pytest
from click.testing import CliRunner
from tqdm import tqdm

from tests.shared.processes import Started
from vgmae_bench.cli.framework import command

_log = logging.getLogger("vgmae_bench.somewhere")


@command()
def work() -> None:
    """Work for a while, with a progress bar."""
    for _ in tqdm(range(2), file=sys.stderr, ascii=True, ncols=30):
        _log.info("half way")
    logging.getLogger("vgmae_baselines.other").warning("slow")
    _log.debug("a detail")
    logging.getLogger("a.stranger").info("not ours")
    click.echo("data")


def test_commands_print_messages_as_plain_lines_on_stderr() -> None:
    result = CliRunner().invoke(work)
    assert (result.exit_code, result.stdout) == (0, "data\n")
    lines = [line.rpartition("\r")[2] for line in result.stderr.splitlines()]
    assert lines.count("half way") == 2 and lines.count("slow") == 1
    assert not any("detail" in line or "stranger" in line for line in lines)


def test_a_command_leaves_logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    CliRunner().invoke(work)
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    _log.info("after the command")
    assert stream.getvalue() == ""
    assert logging.getLogger("vgmae_bench").level == logging.NOTSET


def test_python_shows_failures_even_if_the_user_configures_no_logging() -> None:
    program = (
        "import logging, sys, numpy as np, vgmae_bench as vb\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s') if sys.argv[1] == 'loud' else None\n"
        "class Fails:\n"
        "    def track(self, frames, queries): raise ValueError('no luck')\n"
        "vb.evaluate(Fails, 'synth', dataset_settings={'clips': 1})\n"
    )

    def stderr(mode: str) -> str:
        done = Started(mode, program=program).wait()
        assert done.returncode == 0, done.stderr
        return done.stderr

    for mode in ("quiet", "loud"):
        assert "test-00000 failed: ValueError('no luck')" in stderr(mode)
