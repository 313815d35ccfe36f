"""Several runs in one call: combinations of options, sweep files, failures, several processes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.test_cli import call
from tests.clips import write_davis
from tests.shared.processes import Started
from vgmae_bench.api.evaluate import Job, evaluate_all, read_sweep
from vgmae_bench.cli.evaluation.run import run as run_command
from vgmae_bench.errors import IncompleteError, UnknownNameError, UsageError

SWEEP = """
datasets = ["davis"]
protocols = ["tapvid-first", "tapvid-strided"]
seeds = [0, 1]

[[methods]]
name = "lucas-kanade"
label = "LK"
settings = { window = 15 }
grid = { levels = [1, 2] }

[[methods]]
name = "zero-motion"
"""
BROKEN = '''
"""Fails on its second clip, or cannot be built."""
class Broken:
    def __init__(self):
        raise RuntimeError("no such luck")
'''


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(write_davis(tmp_path / "data"))


def test_a_sweep_file_gives_all_combinations() -> None:
    Path("sweep.toml").write_text(SWEEP)
    jobs = read_sweep(Path("sweep.toml"))
    assert len(jobs) == 2 * 2 * (2 + 1)
    assert jobs[0] == Job(
        "lucas-kanade", "davis", "tapvid-first", settings={"window": 15, "levels": 1}, name="LK levels=1"
    )
    assert len({str(job) for job in jobs}) == len(jobs)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('"davis"', '"davsi"'), "Did you mean davis"),
        (("zero-motion", "zero-moton"), "Did you mean zero-motion"),
        (("levels =", "levles ="), "Did you mean levels"),
        (("levels = [1, 2]", 'levels = ["many"]'), "integer"),
        (("tapvid-strided", "tapvid"), "There is no protocol"),
        (("seeds", "seed"), "Did you mean seeds"),
        (('["davis"]', "[]"), "has no datasets"),
    ],
)
def test_mistakes_in_a_sweep_are_found_before_any_work(change: tuple[str, str], why: str) -> None:
    Path("sweep.toml").write_text(SWEEP.replace(*change))
    with pytest.raises((UsageError, UnknownNameError), match=why):
        read_sweep(Path("sweep.toml"))


def test_options_with_several_values_give_all_combinations_and_one_summary(root: str) -> None:
    done = call(
        "run", "--method", "zero-motion,lucas-kanade", "--dataset", "davis", "--data-root", root,
        "--query-mode", "first", "--query-mode", "strided",
    )  # fmt: skip
    assert done.stderr.count("run       ") == 4
    assert done.stdout.count("lucas-kanade") == 2 and done.stdout.count("Next: ") == 1
    told = json.loads(
        call("run", "--method", "zero-motion", "--method", "lucas-kanade", "--dataset", "davis", "--json").stdout
    )
    assert [len(told["runs"]), told["failed"]] == [2, []]


def test_a_run_that_fails_does_not_end_the_others(root: str) -> None:
    Path("broken.py").write_text(BROKEN)
    done = call(
        "run", "--method", "./broken.py:Broken,zero-motion", "--dataset", "davis", "--data-root", root, "--json", code=3
    )
    told = json.loads(done.stdout)
    assert [len(told["runs"]), len(told["failed"])] == [1, 1]
    assert "no such luck" in told["failed"][0]["error"]
    assert "1 of 2 runs are not complete" in done.stderr and "Traceback" not in done.stderr


def test_a_name_for_several_runs_is_refused(root: str) -> None:
    arguments = ["--dataset", "davis", "--data-root", root, "--name", "mine"]
    with pytest.raises(UsageError, match="these are 2"):
        CliRunner().invoke(run_command, ["--method", "zero-motion,lucas-kanade", *arguments], catch_exceptions=False)
    done = CliRunner().invoke(run_command, ["--method", "zero-motion", *arguments], catch_exceptions=False)
    assert "mine" in done.stdout
    arguments[-1] = "yours"
    done = CliRunner().invoke(run_command, ["--method", "zero-motion", *arguments], catch_exceptions=False)
    assert "yours" in done.stdout and "mine" not in done.stdout
    with pytest.raises(UsageError, match="--method cannot be combined with a sweep file"):
        CliRunner().invoke(run_command, ["sweep.toml", "--method", "zero-motion"], catch_exceptions=False)


def test_the_summary_has_the_outcome_of_each_run(root: str) -> None:
    jobs = [Job("zero-motion", "davis"), Job("zero-motion", "kinetics")]
    good, bad = evaluate_all(jobs, data_root=root)
    assert good.run is not None and not good.told
    assert bad.run is None and "kinetics" in bad.told.lower()


def test_two_processes_share_a_sweep_and_no_clip_is_predicted_twice(root: str, tmp_path: Path) -> None:
    """One process is killed, and the sweep is run again."""
    (tmp_path / "slow.py").write_text(
        "import os, time, numpy as np\n"
        "from vgmae_bench import Tracks\n"
        "class Slow:\n"
        "    def track(self, frames, queries):\n"
        "        with open('log', 'a') as log: log.write(f'{os.getpid()} {int(frames.sum())} {len(queries)}\\n')\n"
        "        time.sleep(0.3)\n"
        "        return Tracks(np.repeat(queries.xy[:, None], len(frames), 1), np.ones((len(queries), len(frames)), bool))\n"
    )
    (tmp_path / "sweep.toml").write_text(
        'datasets = ["davis"]\nprotocols = ["tapvid-first", "tapvid-strided"]\nmethods = ["slow.py:Slow"]\n'
    )
    command = ["run", "sweep.toml", "--data-root", root, "--json", "--out", "out"]
    processes = [Started(*command) for _ in "ab"]
    deadline = time.monotonic() + 60
    while not list(Path("out").rglob("*.h5")) and time.monotonic() < deadline:
        time.sleep(0.02)
    processes[0].kill()
    processes[0].wait()
    told = json.loads(processes[1].wait().stdout)
    assert [run["clips"]["scored"] for run in told["runs"]] == [3, 3]
    assert Started(*command).wait().returncode == 0
    asked = [tuple(line.split()[1:]) for line in Path("log").read_text().splitlines()]
    assert len(set(asked)) == 6
    assert len(asked) <= 7  # another process may have to repeat the clip of the killed process
    assert not list(Path("out").rglob("predictions/*.lock"))


def test_clips_that_failed_make_a_run_incomplete(root: str, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import numpy as np\n"
        "from vgmae_bench import Tracks\n"
        "class Late:\n"
        "    calls = 0\n"
        "    def track(self, frames, queries):\n"
        "        Late.calls += 1\n"
        "        if Late.calls == 2: raise ValueError('not this one')\n"
        "        return Tracks(np.repeat(queries.xy[:, None], len(frames), 1), np.ones((len(queries), len(frames)), bool))\n"
    )
    with pytest.raises(IncompleteError, match="1 of 3 clips failed"):
        CliRunner().invoke(
            run_command, ["--method", "late.py:Late", "--dataset", "davis", "--data-root", root], catch_exceptions=False
        )
