"""Long commands write progress lines to a batch log: work done, work left, and the remaining time."""

from __future__ import annotations

import logging
import re
import time
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.clips import write_davis
from tests.data.files.server import serve
from tests.training.toy import FAST, ToySource, job
from vgmae_bench.cli import cli
from vgmae_bench.data import prepare
from vgmae_bench.data.files.download import download
from vgmae_bench.progress import bar
from vgmae_bench.training.loop import train

SLOW = """
import time
import numpy as np
from vgmae_bench import Tracks

class Slow:
    def track(self, frames, queries):
        time.sleep(0.2)
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return Tracks(xy=xy, visible=np.ones(xy.shape[:2], dtype=bool))
"""
LINE = r"%s: \d of 3 %s done, \d left, (about \d\d:\d\d to go|\d\d:\d\d so far)"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Lines come every 20 ms, not every minute."""
    monkeypatch.setattr(bar, "INTERVAL", 0.02)
    caplog.set_level(logging.INFO, "vgmae_bench")


def slowly(function: Any) -> Any:
    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.1)
        return function(*arguments, **options)

    return slow


def test_run() -> None:
    Path("slow.py").write_text(SLOW)
    command = "run --method ./slow.py:Slow --dataset synth --dataset-set clips=3"
    result = CliRunner().invoke(cli, command.split())
    assert result.exit_code == 0, result.output
    assert re.search(LINE % ("tracking", "clips"), result.stderr)
    assert "tracking:" not in result.stdout
    again = CliRunner().invoke(cli, command.split())
    assert "tracking:" not in again.stderr  # nothing is left to do


def test_train(caplog: pytest.LogCaptureFixture) -> None:
    from tests.shared.configured import changed

    source = ToySource(lambda first: time.sleep(0.1))
    train(job(Path("out"), changed(FAST, steps=3, log_every=1), source=source))
    assert re.search(LINE % ("training", "steps") + "; loss ", caplog.text)


def test_data_prepare(monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_davis(Path("data"), clips=3)
    monkeypatch.setattr(prepare, "checked_clip", slowly(prepare.checked_clip))
    result = CliRunner().invoke(cli, ["data", "prepare", "davis", "--data-root", str(root)])
    assert result.exit_code == 0, result.output
    assert re.search(LINE % ("preparing davis", "clips"), result.stderr)


def test_download(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    monkeypatch.setattr(HTTPResponse, "read", slowly(HTTPResponse.read))
    with serve() as server:
        server.files["a.zip"] = bytes(4000)
        download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert "downloading a.zip: 0.00B of 4.00kB done, 4.00kB left, 00:00 so far" in caplog.messages
