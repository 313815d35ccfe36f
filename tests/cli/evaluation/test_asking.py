"""`vgmae-bench run` with options for the calls of a method and for checkouts of other projects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.clips import write_davis

CROWD = """
import numpy as np
from vgmae_bench import MethodSpec, Tracks
from vgmae_bench.checkouts import Checkout

SPEC = MethodSpec("crowd", "…", tracker="crowd:Crowd", queries="joint", notice="not for sale")

class Crowd:
    def __init__(self):
        self.checkout = Checkout("them/theirs@abcdef0").identity

    def track(self, frames, queries):
        assert frames.shape[1:3] == (64, 96) and len(queries) <= 2
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return Tracks(xy, np.ones(xy.shape[:2], dtype=bool))
"""


def test_ask_input_size_and_checkout_are_recorded_and_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crowd.py").write_text(CROWD)
    (tmp_path / "theirs").mkdir()
    monkeypatch.setenv("VGMAE_BENCH_CHECKOUT_THEIRS", str(tmp_path / "nowhere"))
    root = str(write_davis(tmp_path / "data", clips=1))
    asked = ("--ask", "all:2", "--input-size", "64x96", "--checkout", f"theirs={tmp_path / 'theirs'}")
    done = call("run", "--method", f"{tmp_path / 'crowd.py'}:Crowd", "--dataset", "davis", "--data-root", root, *asked)
    assert "licence   not for sale" in done.stderr
    assert "crowd§" in done.stdout and "queries see each other (--ask all:2)" in done.stdout
    assert "TAP-Vid's input is 256×256" in done.stdout and "crowd: not for sale." in done.stdout
    (file,) = Path("results").glob("davis-tapvid-first-64x96/*/*/record.json")
    method = json.loads(file.read_text())["method"]
    assert (method["ask"], method["queries"], method["notice"]) == ("all:2", "joint", "not for sale")
    assert method["checkout"].startswith("them/theirs no-commit")


def test_malformed_options_are_errors_of_one_line() -> None:
    run = ("run", "--method", "zero-motion", "--dataset", "warp")
    assert '"many" is not a value of --ask' in call(*run, "--ask", "many", code=2).stderr
    assert '"big" is no input size' in call(*run, "--input-size", "big", code=2).stderr
    assert "is no checkout" in call(*run, "--checkout", "tapnet", code=2).stderr
