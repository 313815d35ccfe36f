"""`vgmae-bench run` with trackers that print and trackers that fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.clips import write_davis

TALKS = """
import os
import numpy as np
from vgmae_bench import Tracks

print("imported")

class Talks:
    def track(self, frames, queries):
        print("a word")
        os.system("echo a program")
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return Tracks(xy, np.ones(xy.shape[:2], dtype=bool))

class Fails:
    def track(self, frames, queries):
        return self.nothing(queries)

    def nothing(self, queries):
        raise LookupError("no luck with " + str(len(queries)))
"""


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(TALKS)
    return str(write_davis(tmp_path / "data", clips=4))


def test_json_is_one_object_whatever_a_tracker_prints(root: str) -> None:
    arguments = ("--method", "mine.py:Talks", "--dataset", "davis", "--data-root", root, "--json")
    done = call("run", *arguments, "--limit", "1")
    assert json.loads(done.stdout)["clips"]["scored"] == 1
    for words in ("imported", "a word", "a program"):
        assert words in done.stderr
    (run,) = Path("results").glob("*/*/*")
    again = call("reproduce", str(run), "--method", "mine.py:Talks", "--limit", "1", "--data-root", root, "--json")
    assert json.loads(again.stdout)["equal"] is True


def test_a_repeated_failure_stops_the_run_and_debug_shows_the_traceback(root: str) -> None:
    arguments = ("--method", "mine.py:Fails", "--dataset", "davis", "--data-root", root)
    plain = call("run", *arguments, code=1)
    assert "failed for 3 clips in a row" in plain.stderr and "Traceback" not in plain.stderr
    assert "first_failure.txt" in plain.stderr
    debug = call("run", *arguments, "--debug", code=1)
    assert "return self.nothing(queries)" in debug.stderr and "LookupError: no luck with" in debug.stderr


def test_debug_shows_the_first_failure_of_a_run_that_goes_on(root: str) -> None:
    arguments = ("--method", "mine.py:Fails", "--dataset", "davis", "--data-root", root, "--limit", "2")
    assert "return self.nothing(queries)" in call("run", *arguments, "--debug", code=3).stderr
