"""Several processes on one folder at once, on shared storage, with equal process ids and host names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.clips import write_davis
from tests.records import new_record, write_run
from tests.shared.plans import plan
from tests.shared.processes import Started
from vgmae_bench.evaluation.records.results import Maker, Session
from vgmae_bench.evaluation.run import execute
from vgmae_bench.evaluation.score import score_run
from vgmae_bench.evaluation.store import RunFolder, start_session
from vgmae_bench.provenance import Commit

EQUAL = "import os, socket\nos.getpid = lambda: 7\nsocket.gethostname = lambda: 'container'\n"
"""Gives a process the same id and host name as the other processes, as in containers."""

SHARD = (
    EQUAL
    + """
import sys
from pathlib import Path
from tests.shared.plans import plan
from vgmae_bench.evaluation.run import execute
root, out, number, of = sys.argv[1:]
execute(plan("zero-motion", "davis", data_root=Path(root), out=Path(out), shard=(int(number), int(of))), command=number)
"""
)

SESSION = (
    EQUAL
    + """
import sys
from pathlib import Path
from tests.records import new_record
from vgmae_bench.evaluation.records.results import Session
from vgmae_bench.evaluation.store import start_session
from vgmae_bench.evaluation.store import RunFolder
for turn in range(20):
    start_session(RunFolder(Path(sys.argv[1])), new_record("a"), Session.now("cpu", f"{sys.argv[2]}-{turn}"))
"""
)


def at_once(program: str, *arguments: tuple[str, ...]) -> None:
    running = [Started(*one, program=program, env={"OMP_NUM_THREADS": "1"}) for one in arguments]
    for process in running:
        done = process.wait(timeout=240)
        assert done.returncode == 0, done.stderr


def test_shards_at_once_lose_no_clip_and_the_last_one_scores_all(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", clips=8)
    whole = execute(plan("zero-motion", "davis", data_root=root, out=tmp_path / "whole"), figures=0)
    out = tmp_path / "parts"
    at_once(SHARD, *((str(root), str(out), str(number), "4") for number in range(4)))
    run = RunFolder(next(out.rglob("record.json")).parent)
    summary = run.summary()
    assert summary is not None
    assert (summary.metrics, summary.clips) == (whole.metrics, whole.clips)
    assert pd.read_csv(run.path / "metrics.csv")["clip"].nunique() == 8
    assert sorted(session.command for session in run.record().sessions) == ["0", "1", "2", "3"]
    assert not list(out.rglob("*.tmp"))


def test_simultaneous_processes_all_record_their_sessions(tmp_path: Path) -> None:
    at_once(SESSION, *((str(tmp_path), name) for name in ("a", "b", "c")))
    commands = {session.command for session in RunFolder(tmp_path).record().sessions}
    assert commands == {f"{name}-{turn}" for name in ("a", "b", "c") for turn in range(20)}


def test_scoring_again_does_not_credit_the_new_code_with_old_predictions(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", clips=2)
    planned = plan("zero-motion", "davis", data_root=root)
    old = execute(planned, figures=0).made_by
    assert [maker.device for maker in old] == [Session.now("cpu", "").device]
    upgraded = Maker("9.9", Commit("f" * 40, dirty=False), "cpu")
    folder, clip = planned.folder, "clip-0"
    newer = replace(Session.now("cpu", "again"), vgmae_bench=upgraded.vgmae_bench, commit=upgraded.commit)
    start_session(folder, planned.record, newer)
    assert score_run(folder, planned.dataset.ids).made_by == old
    folder.write_prediction(clip, folder.read_prediction(clip), folder.note(clip).cost, upgraded)
    assert score_run(folder, planned.dataset.ids).made_by == [upgraded, *old]


def test_only_the_metrics_of_tapvid_lose_their_mean_to_one_clip_without_a_value(tmp_path: Path) -> None:
    missing = {"average_jaccard": [0.5, float("nan")], "re_detection_jaccard": [0.25, float("nan")]}
    summary = RunFolder(write_run(tmp_path, "a", missing)).summary()
    assert summary is not None
    exact, other = summary.metrics["average_jaccard"], summary.metrics["re_detection_jaccard"]
    assert (exact.mean, exact.mean_without_nan, exact.clips) == (None, 0.5, 1)
    assert (other.mean, other.nan, other.clips) == (0.25, 1, 1)


def test_a_record_of_another_run_is_not_overwritten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    start_session(folder, new_record("a"), Session.now("cpu", "run"))
    before = json.loads((tmp_path / "record.json").read_text())
    with pytest.raises(Exception, match="belongs to another run"):
        start_session(folder, new_record("b"), Session.now("cpu", "run"))
    assert json.loads((tmp_path / "record.json").read_text()) == before
