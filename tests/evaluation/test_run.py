"""Whole runs: resume, kill, shards, new scores."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import vgmae_bench as vb
from tests.clips import write_davis
from tests.shared.logs import logged
from tests.shared.plans import plan
from tests.shared.processes import Started
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.evaluation.method import resolve_device
from vgmae_bench.evaluation.records.results import ClipCounts
from vgmae_bench.evaluation.run import Plan, execute, parse_shard, shard_from_environment

SLOW = '''
"""Zero motion, slowly."""
import time
import numpy as np
from vgmae_bench import Tracks

class Slow:
    def track(self, frames, queries):
        time.sleep(0.25)
        return Tracks(np.repeat(queries.xy[:, None], len(frames), 1), np.ones((len(queries), len(frames)), bool))
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "data", clips=4)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.h5"))}


def test_a_run_gives_numbers_a_table_and_a_record(root: Path) -> None:
    planned = plan("zero-motion", "davis", data_root=root)
    summary = execute(planned, command="vgmae-bench run")
    assert summary.clips == ClipCounts(expected=4, scored=4, failed=0, without_queries=0)
    # Everything moves by 1 of 64 pixels per frame, 4 px of 256. Only the thresholds 8 and 16 px are ever met.
    assert summary.metrics["pts_within_4"].mean == 0
    assert 0 < summary.metrics["pts_within_8"].mean < summary.metrics["pts_within_16"].mean < 0.5
    table = pd.read_csv(planned.folder.path / "metrics.csv")
    assert table["average_jaccard"].mean() == pytest.approx(summary.metrics["average_jaccard"].mean)
    tracks = pd.read_csv(planned.folder.path / "metrics_per_track.csv.gz")
    assert len(tracks) == table["queries"].sum()
    assert [path.name for path in (planned.folder.path / "figures").iterdir()] == ["clip-0.jpg"]
    record = planned.folder.record()
    assert record.protocol.name == "tapvid-first"
    assert record.sessions[0].packages["torch"]
    assert str(root) not in (planned.folder.path / "record.json").read_text()


def test_the_record_of_an_open_dataset_has_the_settings_it_was_opened_with(root: Path) -> None:
    opened = vb.open_dataset("davis", settings={"point_scale": "minus_one"}, data_root=root)
    used = vb.evaluate("zero-motion", opened, figures=0).record.dataset
    assert (used.name, used.settings, used.published_clips) == ("davis", {"point_scale": "minus_one"}, 30)


def test_running_again_keeps_predictions_and_redo_makes_the_same_ones(root: Path) -> None:
    planned = plan("lucas-kanade", "davis", data_root=root)
    first = execute(planned)
    before = digests(planned.folder.path)
    stamps = {path: path.stat().st_mtime_ns for path in planned.folder.predictions.iterdir()}
    assert execute(plan("lucas-kanade", "davis", data_root=root)).metrics == first.metrics
    assert {path: path.stat().st_mtime_ns for path in planned.folder.predictions.iterdir()} == stamps
    execute(planned, redo="all")
    assert digests(planned.folder.path) == before


def test_every_setting_has_a_folder_of_its_own(root: Path) -> None:
    folders = {
        plan("lucas-kanade", "davis", data_root=root, **options).folder.path  # type: ignore[arg-type]
        for options in ({}, {"settings": {"levels": 2}}, {"query_mode": "strided"}, {"seed": 1})
    }
    assert len(folders) == 4


def test_settings_that_do_not_change_answers_are_recorded_and_no_part_of_the_key(root: Path) -> None:
    """Settings of unused options and the batch size change neither the key nor the predictions."""

    def planned(**settings: object) -> Plan:
        return plan("videogmae", "davis", data_root=root, settings=settings)

    usual = planned()
    for idle in ({"points_per_batch": 7}, {"stitch": 3}, {"features": {"stitch": 3}}, {"size": "base"}):
        other = planned(**idle)
        assert other.folder.path == usual.folder.path
        assert other.record.method.settings != usual.record.method.settings
    features = {"readout": "features", "calibration_clips": 0}
    assert planned(**features).folder.path != usual.folder.path
    assert planned(**features, stitch=3).folder.path != planned(**features).folder.path
    assert planned(**features, variant="flow").folder.path == planned(**features).folder.path
    assert planned(variant="flow").folder.path != usual.folder.path


def test_limit_is_incomplete_and_can_be_completed(root: Path) -> None:
    clips = execute(plan("zero-motion", "davis", data_root=root, limit=1)).clips
    assert (clips.scored, clips.expected) == (1, 4)
    assert execute(plan("zero-motion", "davis", data_root=root)).clips.scored == 4


@pytest.mark.parametrize("shards", [[(1, 3), (2, 3), (3, 3)], [(0, 2), (1, 2)]])
def test_shards_give_the_same_table_as_one_process(root: Path, tmp_path: Path, shards: list[tuple[int, int]]) -> None:
    whole = execute(plan("lucas-kanade", "davis", data_root=root, out=tmp_path / "whole"))
    for shard in shards:
        parts = execute(plan("lucas-kanade", "davis", data_root=root, out=tmp_path / "parts", shard=shard))
    assert parts.metrics == whole.metrics
    assert parts.clips == whole.clips
    assert digests(tmp_path / "parts") == digests(tmp_path / "whole")


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(root: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    command = ["run", "--method", "slow.py:Slow", "--dataset", "davis", "--data-root", str(root), "--json"]

    def run(out: str) -> dict[str, Any]:
        done = Started(*command, "--out", out).wait()
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]  # an object, by the contract

    whole = run("whole")
    process = Started(*command, "--out", "killed")
    deadline = time.monotonic() + 60
    while not list(Path("killed").rglob("*.h5")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in Path("killed").rglob("*.h5")}
    assert 1 <= len(kept) < 4
    resumed = run("killed")
    assert resumed["metrics"] == whole["metrics"]
    assert digests(Path("killed")) == digests(Path("whole"))
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())


def test_a_plugin_file_that_changes_is_another_run(root: Path, tmp_path: Path) -> None:
    method = f"{tmp_path / 'slow.py'}:Slow"
    (tmp_path / "slow.py").write_text(SLOW)
    before = plan(method, "davis", data_root=root).folder.path
    (tmp_path / "slow.py").write_text(SLOW + "\n# changed\n")
    assert plan(method, "davis", data_root=root).folder.path != before


def test_records_hold_no_paths_of_the_plugin(root: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    planned = plan(f"{tmp_path / 'slow.py'}:Slow", "davis", data_root=root, limit=1)
    execute(planned)
    assert str(tmp_path) not in (planned.folder.path / "record.json").read_text()


def test_a_damaged_prediction_is_named_not_silently_redone(root: Path) -> None:
    planned = plan("zero-motion", "davis", data_root=root)
    execute(planned)
    shutil.copy(planned.folder.path / "record.json", planned.folder.prediction("clip-1"))
    with pytest.raises(Exception, match=r"clip-1\.h5 cannot be read"):
        execute(planned)


def test_weights_for_a_method_without_any_are_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "some.safetensors").touch()
    with pytest.raises(UsageError, match="has no weights"):
        plan("zero-motion", "davis", data_root=root, weights=str(tmp_path / "some.safetensors"))
    with pytest.raises(WeightsError, match="neither a file nor a name"):
        plan("videogmae", "davis", data_root=root, weights="nothing")


def test_shards_are_read_from_text_and_from_the_environment() -> None:
    assert parse_shard("2/8") == (2, 8)
    for wrong in ("8", "9/8", "a/b", "1/0", "-1/2"):
        with pytest.raises(UsageError, match="is no shard"):
            parse_shard(wrong)
    assert shard_from_environment({"RANK": "3", "WORLD_SIZE": "4"}) == (3, 4)
    assert shard_from_environment({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "4"}) == (0, 2)
    assert shard_from_environment({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}) is None
    assert shard_from_environment({"RANK": "0", "WORLD_SIZE": ""}) is None


def test_a_batch_script_without_srun_predicts_all_clips_and_says_so() -> None:
    with logged() as told:
        assert shard_from_environment({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}) is None
    assert len(told) == 1
    assert "srun did not start this process" in told[0]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"RANK": "x", "WORLD_SIZE": "2"}, "The environment variable RANK is 'x'"),
        ({"RANK": "0", "WORLD_SIZE": "two"}, "The environment variable WORLD_SIZE is 'two'"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2, but RANK is not set"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "WORLD_SIZE is 2, but RANK is 2"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK is '-1'"),
    ],
)
def test_invalid_environment_variables_are_errors_of_one_line(environment: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        shard_from_environment(environment)


def test_devices() -> None:
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(UsageError, match="is no device"):
        resolve_device("abacus")
