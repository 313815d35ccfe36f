"""The log of a training goes to TensorBoard or Weights & Biases on request."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from tests.shared.configured import changed
from tests.training.toy import FAST, job
from vgmae_bench.cli.training import train as train_command
from vgmae_bench.errors import UsageError
from vgmae_bench.training.experiments import check_installed
from vgmae_bench.training.log import read_log
from vgmae_bench.training.loop import train

STAND_IN = '''
"""Writes what wandb would send."""
import json, pathlib

class Run:
    def __init__(self, **options):
        self.file = pathlib.Path(options["dir"]) / "sent.jsonl"
        self.write({"init": {key: options[key] for key in ("project", "name", "id", "resume")}, "config": options["config"]})
    def write(self, what):
        with self.file.open("a") as file:
            file.write(json.dumps(what) + "\\n")
    def log(self, metrics, step):
        self.write({"step": step, "metrics": metrics})
    def finish(self, exit_code):
        self.write({"exit": exit_code})

def init(**options):
    return Run(**options)
'''


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module wandb that writes into the folder of the training."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "wandb.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.delitem(sys.modules, "wandb", raising=False)


def test_wandb_gets_every_line_of_the_log_and_continues_its_run(wandb: None, tmp_path: Path) -> None:
    out = tmp_path / "toy"
    for steps in (4, 4):  # the second one finds nothing to do
        train(job(out, changed(FAST, steps=steps), log_to=("wandb",)))
    sent = [json.loads(line) for line in (out / "sent.jsonl").read_text().splitlines()]
    first, *lines = [one for one in sent if "init" in one or "step" in one][:-1]
    assert first["init"]["project"] == "vgmae-bench"
    assert first["init"]["name"] == "toy"
    assert first["config"]
    kept = read_log(out / "log.csv")
    assert [line["step"] for line in lines] == [row["step"] for row in kept] == [2, 4]
    assert [line["metrics"]["loss"] for line in lines] == [row["loss"] for row in kept]
    starts = [one["init"] for one in sent if "init" in one]
    assert starts[0] == starts[1]  # one run
    assert [one["exit"] for one in sent if "exit" in one] == [0, 0]


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs the extra tensorboard")
def test_tensorboard_gets_every_line_of_the_log(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(job(tmp_path / "toy", changed(FAST, steps=4), log_to=("tensorboard",)))
    events = EventAccumulator(str(tmp_path / "toy" / "tensorboard")).Reload()
    kept = read_log(tmp_path / "toy" / "log.csv")
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (row["step"], pytest.approx(row["loss"])) for row in kept
    ]


def test_a_missing_package_is_an_error_of_one_line_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs the extra wandb.*\n.*pip install 'vgmae-bench\[wandb\]'"):
        check_installed(["wandb"])
    arguments = [
        "--method",
        "videogmae",
        "--config",
        "tiny",
        "--data",
        "synth",
        "--out",
        "out",
        "--log-to",
        "tensorboard",
    ]
    with pytest.raises(UsageError, match="needs the extra tensorboard"):
        train_command.main(arguments, standalone_mode=False)
    assert not Path("out").exists()
    with pytest.raises(UsageError, match='cannot be logged to "mlflow"'):
        check_installed(["mlflow"])


def test_without_a_logger_there_is_only_the_log(tmp_path: Path) -> None:
    train(job(tmp_path / "toy", changed(FAST, steps=2)))
    assert (tmp_path / "toy" / "log.csv").exists()
    assert not (tmp_path / "toy" / "tensorboard").exists()
