"""`vgmae-bench check` in a shell: lines, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_cli import call

TRACKER = """
import numpy as np
from vgmae_bench import MethodSpec, Tracks

SPEC = MethodSpec(name="stay", tracker="mine:Stay", summary="Nothing moves.", floor=True)

class Stay:
    def track(self, frames, queries):
        print("a plugin may print")
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return Tracks(xy, np.ones(xy.shape[:2], dtype=bool))

class Other(Stay):
    pass

def metric(scored):
    return {"near": 1.0}

class Data:
    ids, digest = [], "none"
    def clip(self, clip_id):
        raise KeyError(clip_id)
"""


def test_faults_are_named_and_change_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRACKER)
    good = call("check", "./mine.py:Stay", "--only", "shapes,translation")
    assert "pass   shapes" in good.stdout and "no fault in 2 checks" in good.stderr
    bad = call("check", "./mine.py:Other", "--only", "translation", code=1)  # the SPEC is of the other class
    assert "fault  translation" in bad.stdout and "To mend: " in bad.stdout
    assert "1 fault in 1 checks" in bad.stderr and "Traceback" not in bad.stderr


def test_json_is_one_object_whatever_the_tracker_prints(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRACKER)
    report = json.loads(call("check", "./mine.py:Other", "--only", "shapes,backward", "--json", code=1).stdout)
    assert report["kind"] == "tracker" and report["passed"] is False
    assert [finding["verdict"] for finding in report["findings"]] == ["pass", "fault"]


def test_a_file_may_hold_a_metric_or_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRACKER)
    assert "not declared: near" in call("check", "./mine.py:metric", code=1).stdout
    assert "has no clips" in call("check", "./mine.py:Data", code=1).stdout
    assert "Did you mean warp" in call("check", "wrap", code=2).stderr
