"""`vgmae-bench finetune` from an encoder to scores, in separate processes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from vgmae_baselines.trackmae.sizes import SIZES as TRACKMAE_SIZES

from tests.baselines.trackmae.sliding import NETWORK
from tests.cli.arguments import changed
from tests.cli.test_cli import call
from tests.clips import write_davis
from tests.videogmae.test_network import SMALL
from vgmae_bench.cli.evaluation.run import run
from vgmae_bench.cli.training import finetune
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.weights_file import save_weights
from vgmae_bench.training.log import read_log
from vgmae_bench.videogmae.network import VideoGMAE

CONFIG = """
steps = 6
batch_size = 2
points = 4
readout_heads = 2
workers = 0
log_every = 1
checkpoint_every = 3
picture_every = 0
validate_every = 0
validate_clips = 1
"""


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """encoder.safetensors and config.toml in the working folder. Waiting threads do not spin: processes share cores."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    network = replace(SMALL, image_size=32)
    save_weights(Path("encoder.safetensors"), VideoGMAE(network).state_dict(), "videogmae", {"network": network})
    Path("config.toml").write_text(CONFIG)


def arguments(out: str, *more: str, data: str = "synth") -> list[str]:
    base = ["finetune", "--method", "videogmae", "--config", "config.toml", "--weights", "encoder.safetensors"]
    return [*base, "--data", data, "--out", out, *more]


def test_finetune_writes_weights_that_track() -> None:
    done = call(*arguments("out"))
    assert "taken from encoder.safetensors (videogmae): encoder" in done.stderr and "δ_avg" in done.stderr
    assert {path.name for path in Path("out").iterdir()} >= {
        "weights.safetensors",
        "log.csv",
        "curve.png",
        "record.json",
    }
    assert json.loads(Path("out/record.json").read_text())["identity"]["freeze_scope"] == "all"
    assert len(read_log(Path("out/log.csv"))) == 6
    scored = call("run", "--method", "videogmae", "--dataset", "synth", "--limit", "1", "--json", "--weights",
                  "out/weights.safetensors", code=0)  # fmt: skip
    assert json.loads(scored.stdout)["clips"]["scored"] == 1


def test_finetune_accepts_any_dataset_with_tracks(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data")
    more = ("--data-root", str(root), "--set", "steps=2", "--set", "validate_clips=0", "--set", "freeze_scope=none")
    call(*arguments("out", *more, data="davis"))
    assert json.loads(Path("out/record.json").read_text())["identity"]["data"]["kind"] == "davis"


def test_a_random_encoder_of_another_method_gets_the_same_readout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiment with a frozen VideoMAE without its pretraining, in one process: random weights, readout, score."""
    monkeypatch.setitem(TRACKMAE_SIZES, "tiny", NETWORK)
    runner = CliRunner()
    base = arguments("floor", "--set", "steps=2", "--set", "readout_windows=2")[1:]
    base[base.index("videogmae")], base[base.index("encoder.safetensors")] = "videomae", "random"
    done = runner.invoke(finetune, base, catch_exceptions=False)
    assert done.exit_code == 0 and "floor/weights.safetensors: 2 steps" in done.output
    identity = json.loads(Path("floor/record.json").read_text())["identity"]
    assert (identity["init"], identity["size"], identity["freeze_scope"]) == (None, "tiny", "all")
    asked = ["--method", "videomae", "--dataset", "synth", "--limit", "1", "--json"]
    done = runner.invoke(run, [*asked, "--weights", "floor/weights.safetensors"], catch_exceptions=False)
    assert json.loads(done.stdout)["clips"]["scored"] == 1


def test_missing_weights_are_named() -> None:
    result = CliRunner().invoke(finetune, changed(arguments("out")[1:], "--weights", "none.safetensors"))
    assert isinstance(result.exception, WeightsError) and "none.safetensors" in str(result.exception)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["--set", "freeze=all"], "Did you mean freeze_scope"),
        (["--set", "readout_heads=5"], "heads"),
        (["--method", "zero-motion"], "cannot be fine-tuned"),
        (["--dataset-set", "speed=2"], "synth accepts no settings"),
        (["--weights", "random", "--set", "size=bas"], "Did you mean base"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(wrong: list[str], why: str) -> None:
    result = CliRunner().invoke(finetune, changed(arguments("out")[1:], *wrong))
    assert isinstance(result.exception, UsageError) and why in str(result.exception.args)
    assert not Path("out").exists()
