"""Repeated runs: equal results, differences, and runs that cannot be repeated."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from tests.clips import write_davis
from tests.shared.plans import plan
from vgmae_bench.cli import cli
from vgmae_bench.data.open import open_dataset
from vgmae_bench.errors import BadDataError, UsageError, UserError, WeightsError
from vgmae_bench.evaluation.other_programs.export import export
from vgmae_bench.evaluation.other_programs.external import open_submission, score_submission
from vgmae_bench.evaluation.records.others import Change, MetricChange, PositionChange, Reproduction
from vgmae_bench.evaluation.records.results import WeightsUsed
from vgmae_bench.evaluation.reproduce import differences, plan_again, reproduce
from vgmae_bench.evaluation.run import execute
from vgmae_bench.evaluation.store import RunFolder

OUT = Path("again")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "data", clips=3)


def made(root: Path, method: str = "lucas-kanade", **options: Any) -> RunFolder:
    planned = plan(method, "davis", data_root=root, **options)
    execute(planned, figures=0)
    return planned.folder


def edit_record(run: RunFolder, **changes: Any) -> None:
    replace(run.record(), **changes).write(run.path / "record.json")


def again(run: RunFolder, root: Path, **options: Any) -> Reproduction:
    return reproduce(run, plan_again(run, OUT, data_root=root, **options))


def test_a_run_comes_out_equal_settings_and_seed_included(root: Path) -> None:
    run = made(root, settings={"levels": 2}, query_mode="strided", seed=3)
    result = again(run, root)
    assert result.equal
    assert result.clips == 3
    assert all(change == MetricChange(0, None) for change in result.metrics.values())
    assert result.positions == PositionChange(0, None, 0, compared=3)
    assert result.configuration == result.missing == []
    assert Reproduction.read(Path(result.reproduced) / "reproduction.json") == result


def test_reproduce_needs_only_the_record(root: Path) -> None:
    run = made(root)
    shutil.rmtree(run.predictions)
    result = again(run, root, limit=2)
    assert (result.equal, result.clips, result.positions) == (True, 2, None)


def test_the_largest_differences_are_found(root: Path) -> None:
    run = made(root)
    answered = run.read_prediction("clip-1")
    answered[0][1].xy[2, 5] += [3, 4]
    answered[0][1].visible[0, 7] ^= True
    run.write_prediction("clip-1", answered, run.note("clip-1").cost)
    table = (run.path / "metrics.csv").read_text().splitlines()
    names, cells = table[0].split(","), table[3].split(",")
    column = names.index("occlusion_accuracy")
    cells[column] = repr(float(cells[column]) - 0.25)
    cells[names.index("survival")] = ""
    (run.path / "metrics.csv").write_text("\n".join([*table[:3], ",".join(cells)]) + "\n")
    result = again(run, root)
    assert not result.equal
    assert result.metrics["occlusion_accuracy"] == MetricChange(0.25, "clip-2")
    assert result.metrics["survival"] == MetricChange(None, "clip-2")
    assert result.metrics["average_jaccard"].largest == 0
    assert result.positions is not None
    assert result.positions.largest_px == pytest.approx(5)
    assert result.positions.clip == "clip-1"
    assert result.positions.visibility_flips == 1


def test_files_of_an_earlier_reproduction_are_ignored(root: Path) -> None:
    run = made(root)
    left = RunFolder(Path(again(run, root).reproduced))
    answered = left.read_prediction("clip-0")
    answered[0][1].xy[:] += 50
    left.write_prediction("clip-0", answered, None)
    assert again(run, root).equal


def test_a_clip_that_fails_now_makes_a_difference(root: Path, tmp_path: Path) -> None:
    tracker = (
        "import numpy as np\nfrom pathlib import Path\nfrom vgmae_bench import Tracks\n"
        "class T:\n    def track(self, frames, queries):\n"
        "        if Path('broken').exists() and frames[0, 0, 0, 0] == int(Path('broken').read_text()): raise OSError\n"
        "        return Tracks(np.repeat(queries.xy[:, None], len(frames), 1), np.ones((len(queries), len(frames)), bool))\n"
    )
    (tmp_path / "tracker.py").write_text(tracker)
    run = made(root, "tracker.py:T")
    with pytest.raises(UsageError, match="T came from a file"):
        again(run, root)
    first = open_dataset("davis", root=root).clip("clip-0").frames((256, 256))[0, 0, 0, 0]
    (tmp_path / "broken").write_text(str(first))
    result = again(run, root, method_file="tracker.py:T")
    assert (result.equal, result.missing) == (False, ["clip-0"])
    (tmp_path / "tracker.py").write_text(tracker + "\n")
    with pytest.raises(BadDataError, match="another SHA-256"):
        again(run, root, method_file="tracker.py:T")


def test_differences_are_reported_exactly() -> None:
    then = [{"packages": {"numpy": "1.26", "torch": "2.4"}, "commit": {"id": "a"}, "command": "x", "started": "y"}]
    now = {"packages": {"numpy": "2.0", "torch": "2.4"}, "commit": None, "command": "z"}
    assert differences(then, now) == [Change("packages.numpy", "1.26", "2.0"), Change("commit.id", "a", "None")]
    assert differences([now, then[0]], now)[0].then == "2.0, 1.26"


def test_unreproducible_runs_are_refused_with_the_reason(root: Path, tmp_path: Path) -> None:
    run = made(root)
    with pytest.raises(UsageError, match="inside its own results folder"):
        plan_again(run, Path("results"), data_root=root)
    other = write_davis(tmp_path / "other", clips=3, size=(32, 32))
    with pytest.raises(BadDataError, match="not those of the run"):
        plan_again(run, OUT, data_root=other)
    record = run.record()
    edit_record(run, protocol=replace(record.protocol, version=0))
    with pytest.raises(UsageError, match="version was 0, is 1"):
        plan_again(run, OUT, data_root=root)
    edit_record(run, protocol=record.protocol, method=replace(record.method, weights=WeightsUsed("lost", "0" * 64)))
    with pytest.raises(WeightsError, match="are not here"):
        plan_again(run, OUT, data_root=root)
    assert not OUT.exists()


def test_external_predictions_are_not_executed_again(root: Path, tmp_path: Path) -> None:
    export(made(root), tmp_path / "packed.npz")
    folder, _ = score_submission(open_submission(tmp_path / "packed.npz", "davis", data_root=root), "theirs", OUT)
    with pytest.raises(UserError, match=r"was not executed here.*\nTry: vgmae-bench score --predictions packed\.npz"):
        plan_again(folder, Path("other"), data_root=root)


def test_run_and_reproduce_work_end_to_end(root: Path) -> None:
    def call(*arguments: str) -> Any:
        return CliRunner().invoke(cli, [*arguments])

    run = made(root)
    given = ["--data-root", str(root)]
    told = call("reproduce", str(run.path), "--json", *given)
    assert json.loads(told.stdout)["equal"]
    assert "Equal at a tolerance of 1e-06." in call("reproduce", run.path.name, *given).stdout
    assert call("export", run.path.name, "--out", "packed.npz").stdout.startswith("packed.npz: 3 clips")
    scored = call("score", "--predictions", "packed.npz", "--dataset", "davis", "--name", "ours", "--json", *given)
    result = json.loads(scored.stdout)
    assert result["metrics"] == json.loads((run.path / "summary.json").read_text())["metrics"]
    assert "ours (external predictions)" in call("table", "--dataset", "davis", "--format", "md").stdout
    table = (run.path / "metrics.csv").read_text()
    (run.path / "metrics.csv").write_text(table.replace("clip-2,0,12,6,", "clip-2,0,12,7,"))
    different = call("reproduce", str(run.path), *given)
    assert isinstance(different.exception, UserError)
    assert (different.exception.exit_code, different.exception.why) == (1, "beyond 1e-06: queries")
    with np.load("packed.npz") as packed:
        assert packed["clip-0/0/xy"].shape == (6, 12, 2)
        assert json.loads(str(packed["about"]))["protocol"] == "tapvid-first"
