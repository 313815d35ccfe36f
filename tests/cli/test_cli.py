"""The command line in separate processes, as scripts and people use it."""

from __future__ import annotations

import json
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clips import moving_square, write_davis
from tests.shared.processes import Started
from vgmae_bench.cli import COMMANDS


def call(*arguments: str, code: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command with output in UTF-8. test_streams.py covers other encodings."""
    done = Started(*arguments, cwd=cwd).wait()
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(write_davis(tmp_path / "data"))


def test_json_is_one_object_with_what_scripts_rely_on(root: str) -> None:
    result = json.loads(
        call("run", "--method", "zero-motion", "--dataset", "davis", "--data-root", root, "--json").stdout
    )
    assert result["protocol"] == "tapvid-first"
    assert result["clips"] == {"expected": 3, "scored": 3, "failed": 0, "without_queries": 0}
    for metric in ("average_jaccard", "average_pts_within_thresh", "occlusion_accuracy", "jaccard_1"):
        low, high = result["metrics"][metric]["ci95"]
        assert 0 <= low <= result["metrics"][metric]["mean"] <= high <= 1
    assert result["seconds"] > 0
    assert result["peak_memory_mb"] > 10
    assert (Path(result["run"]) / "metrics.csv").is_file()


def test_run_prints_its_plan_to_stderr_and_a_table_to_stdout(root: str) -> None:
    done = call("run", "--method", "zero-motion", "--dataset", "davis", "--data-root", root)
    assert "3 clips of 3; 0 are predicted already" in done.stderr
    assert "query first, input 256×256 (lanczos)" in done.stdout
    assert re.search(r"zero-motion .*\d+\.\d\d .*\d+\.\d\d .*\d+\.\d\d ", done.stdout)
    assert (
        "of 3; 3 are predicted already"
        in call("run", "--method", "zero-motion", "--dataset", "davis", "--data-root", root).stderr
    )


def test_table_lists_show_and_refuse_to_mix(root: str) -> None:
    for method, mode in (("zero-motion", "first"), ("lucas-kanade", "first"), ("zero-motion", "strided")):
        call("run", "--method", method, "--dataset", "davis", "--query-mode", mode, "--data-root", root)
    runs = json.loads(call("list", "runs", "--json").stdout)
    assert len(runs) == 3
    mixed = call("table", *(run["name"] for run in runs), code=2).stderr
    assert "different protocols" in mixed
    assert "tapvid-strided" in mixed
    both = call("table", "--protocol", "tapvid-first", "--format", "md").stdout
    assert both.index("| lucas-kanade |") < both.index("| zero-motion |")  # the better one first
    assert call("table", "--format", "md").stdout.count("| method |") == 2  # one table a protocol
    assert len(json.loads(call("table", "--format", "json").stdout)) == 3
    shown = call("show", runs[0]["name"]).stdout
    assert "average_jaccard" in shown
    assert "command" in shown
    assert json.loads(call("show", runs[0]["name"], "--json").stdout)["record"]["method"]["name"]


def test_incomplete_runs_are_marked(root: str) -> None:
    call("run", "--method", "zero-motion", "--dataset", "davis", "--data-root", root, "--limit", "1")
    assert "1 incomplete ones" in call("table", code=2).stderr
    assert "incomplete, 1 of 3 (3 of 30 published) clips" in call("table", "--allow-incomplete").stdout


@pytest.mark.parametrize("what", ["methods", "datasets", "metrics"])
def test_lists_name_what_is_installed(what: str) -> None:
    names = {entry["name"] for entry in json.loads(call("list", what, "--json").stdout)}
    known = {
        "methods": {"videogmae", "lucas-kanade", "zero-motion"},
        "datasets": {"davis", "kinetics", "rgb-stacking", "robotap", "synth"},
        "metrics": {"tapvid", "re-detection", "survival"},
    }
    assert known[what] <= names
    for name in known[what]:
        assert name in call("show", name).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["run", "--method", "videogame", "--dataset", "synth"], 2, "Did you mean videogmae or videomae"),
        (["run", "--method", "zero-motion", "--dataset", "davsi"], 2, r"Did you mean davis\?"),
        (["run", "--method", "zero-motion", "--dataset", "kinetics"], 1, "--dataset synth"),
        (["run", "--method", "lucas-kanade", "--dataset", "synth", "--set", "window"], 2, "key=value"),
        (["run", "--method", "lucas-kanade", "--dataset", "synth", "--set", "windw=3"], 2, r"Did you mean window\?"),
        (["run", "--method", "lucas-kanade", "--dataset", "synth", "--set", "window=wide"], 2, "integer"),
        (["run", "--method", "zero-motion", "--dataset", "synth", "--set", "a=1"], 2, "no settings"),
        (["run", "--method", "zero-motion", "--dataset", "synth", "--protocol", "x"], 2, "tapvid-first"),
        (["run", "--method", "zero-motion", "--dataset", "synth", "--device", "abacus"], 2, "no device"),
        (["run", "--method", "no.py:X", "--dataset", "synth"], 2, "There is no file"),
        (["run", "--dataset", "synth"], 2, "--method"),
        (["probe", "--method", "videogmae", "--config", "tiny"], 2, "configurations are for `train` and `finetune`"),
        (["rnu"], 2, r"Did you mean .*run"),
        (["show", "nothing"], 2, "There is no method, dataset, metric or run"),
        (["table"], 2, "No run fits"),
        (["report", "--out", "report.pdf"], 2, r"report\.pdf\. The name must end in \.html or \.htm"),
        (["export", "k", "--out", "tracks.csv"], 2, r"tracks\.csv\. The name must end in \.h5 or \.npz"),
        (["import-weights", __file__, "--method", "videogmae", "--out", "w"], 2, r"must end in \.safetensors"),
    ],
)
def test_mistakes_end_in_one_clear_line(arguments: list[str], code: int, expected: str) -> None:
    done = call(*arguments, code=code)
    assert re.search(expected, done.stderr, re.IGNORECASE), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not Path("results").exists()


def test_a_broken_clip_is_reported_and_the_others_are_scored(tmp_path: Path) -> None:
    broken = moving_square()
    broken["points"][0, 3] = float("nan")
    broken["occluded"][0, 3] = False
    folder = tmp_path / "data" / "tapvid_davis"
    folder.mkdir(parents=True)
    (folder / "tapvid_davis.pkl").write_bytes(pickle.dumps({"good": moving_square(), "bad": broken}))
    done = call("run", "--method", "zero-motion", "--dataset", "davis", "--json", code=3)
    assert json.loads(done.stdout)["clips"] == {"expected": 2, "scored": 1, "failed": 1, "without_queries": 0}
    assert "1 of 2 clips failed" in done.stderr
    assert "bad" in done.stderr


def test_an_unwritable_results_folder_is_reported_before_any_work(root: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "results")
    done = call("run", "--method", "zero-motion", "--dataset", "davis", "--data-root", root, "--out", out, code=1)
    assert "Cannot write" in done.stderr
    assert "tracking" not in done.stderr


def test_an_interrupt_ends_without_a_traceback_and_keeps_predictions(root: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nclass Slow:\n    def track(self, frames, queries):\n        time.sleep(60)\n"
    )
    process = Started("run", "--method", "slow.py:Slow", "--dataset", "davis", "--data-root", root)
    deadline = time.monotonic() + 60
    while not list(Path("results").rglob("record.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    done = process.wait(timeout=30)
    assert done.returncode == 130
    assert "Interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(Path("results").rglob("*.tmp"))


def test_help_of_every_command_shows_examples() -> None:
    for command in COMMANDS:
        told = call(command, "--help").stdout
        assert f"vgmae-bench {command}" in told.split("Examples:")[1]


def test_help_and_lists_import_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from vgmae_bench.cli import cli\n"
        "for arguments in (['--help'], ['list', 'methods'], ['list', 'datasets']):\n"
        "    assert CliRunner().invoke(cli, arguments).exit_code == 0\n"
        "heavy = {'torch', 'numpy', 'pandas', 'h5py', 'matplotlib', 'gsplat', 'pydantic', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
