"""`vgmae-bench train` in separate processes, as people and schedulers start, kill and continue it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import torch
from PIL import Image

from tests.cli.arguments import changed
from tests.cli.test_cli import call
from tests.shared.processes import Started
from vgmae_bench.cli import cli
from vgmae_bench.errors import UserError
from vgmae_bench.models.weights_file import load_weights
from vgmae_bench.training.log import read_log

CONFIG = """
steps = 150
batch_size = 4
lr = 1e-3
warmup_steps = 2
ema_decay = 0.5
workers = 0
log_every = 5
checkpoint_every = 10
picture_every = 0
validate_every = 0
validate_clips = 0
image_size = 32
patch_size = 16
num_frames = 2
num_gaussians = 4
embed_dim = 16
depth = 1
num_heads = 1
decoder_embed_dim = 16
decoder_depth = 1
decoder_num_heads = 1
mask_ratio = 0.5
backend = "torch"
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Set the number of threads of every process, because the last bits of sums depend on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(autouse=True)
def config() -> None:
    """config.toml in the working folder."""
    Path("config.toml").write_text(CONFIG)


@pytest.fixture(scope="module")
def whole(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "config.toml").write_text(CONFIG)
    call(*arguments("out", "--set", "validate_clips=1"), cwd=folder)
    return folder / "out"


def arguments(out: str, *more: str) -> list[str]:
    base = ["train", "--method", "videogmae", "--config", "config.toml", "--data", "synth", "--device", "cpu"]
    return [*base, "--out", out, *more]


def curve(out: Path) -> list[tuple[float | None, ...]]:
    return [(row["step"], row["loss"], row["grad_norm"], row["lr"]) for row in read_log(out / "log.csv")]


def test_a_training_writes_all_documented_files(whole: Path) -> None:
    last = read_log(whole / "log.csv")[-1]
    assert last.keys() >= {"step", "loss", "lr", "seconds", "clips_per_second"}
    assert 0 <= (last["delta_avg"] or 0) <= 1
    record = json.loads((whole / "record.json").read_text())
    assert record["identity"]["data"] == [{"share": 1.0, "clips": {"kind": "synth", "version": 1}}]
    assert record["progress"]["clips"] == 600
    assert record["sessions"][0]["device"].startswith("CPU")
    for picture in (whole / "curve.png", whole / "pictures" / "step_000150.png"):
        with Image.open(picture) as image:
            assert image.format == "PNG"
    with av.open(str(whole / "pictures" / "last.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 1  # of two frames one is followed by another


def test_run_and_init_take_the_weights(whole: Path) -> None:
    weights = str(whole / "weights.safetensors")
    few = ["--dataset-set", "clips=1", "--dataset-set", "frames=3", "--json"]
    scored = json.loads(call("run", "--method", "videogmae", "--dataset", "synth", "--weights", weights, *few).stdout)
    assert scored["clips"]["scored"] == 1
    done = call(*arguments("out", "--set", "steps=1", "--init", weights))
    assert "taken from weights.safetensors (videogmae)" in done.stderr
    assert re.search(r"out/weights\.safetensors: 1 steps, loss 0\.\d+", done.stdout)


def test_a_training_killed_at_any_moment_goes_on_to_the_same_curve(whole: Path) -> None:
    process = Started(*arguments("out"))
    deadline = time.monotonic() + 60
    while not Path("out/checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert len(curve(Path("out"))) < 30
    call(*arguments("out"))
    assert curve(Path("out")) == curve(whole)
    left, expected = (
        load_weights(folder / "weights.safetensors", method="videogmae") for folder in (Path("out"), whole)
    )
    assert left.config == expected.config
    assert all(torch.equal(value, left.tensors[name]) for name, value in expected.tensors.items())


def test_ctrl_c_writes_a_checkpoint_and_ends_with_130() -> None:
    process = Started(*arguments("out", "--set", "steps=100000", "--set", "checkpoint_every=0"))
    deadline = time.monotonic() + 60
    while len(read_log(Path("out/log.csv"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    done = process.wait(timeout=30)
    assert done.returncode == 130
    assert "Interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert Path("out/checkpoint.pt").exists()
    assert Path("out/weights.safetensors").exists()


def test_two_processes_give_the_training_of_one(whole: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "vgmae_bench", *arguments("out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("out/record.json").read_text())["sessions"][0]["processes"] == 2
    assert len(curve(Path("out"))) == 30
    for one, two in zip(curve(whole), curve(Path("out")), strict=True):
        assert one[:2] == pytest.approx(two[:2], rel=1e-4)
        assert one[2:] == pytest.approx(two[2:], rel=1e-2)  # norms of gradients part sooner


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        (["--config", "tinny"], 2, "Did you mean tiny"),
        (["--config", "nothing.toml"], 2, "Cannot read the configuration"),
        (["--method", "lucas-kanade"], 2, "cannot be trained here"),
        (["--data", "nowhere"], 2, "neither synth nor a folder"),
        (["--set", "step=3"], 2, "Did you mean steps"),
        (["--set", "steps=many"], 2, "integer"),
        (["--init", "config.toml"], 1, "not a whole safetensors file"),
        (["--device", "abacus"], 2, "no device"),
        (["--out", "config.toml/out"], 1, "Cannot write"),
    ],
)
def test_mistakes_end_in_one_clear_line(changes: list[str], code: int, expected: str) -> None:
    with pytest.raises(UserError, match=expected) as error:
        cli.main(changed(arguments("out"), *changes), standalone_mode=False)
    assert error.value.exit_code == code
    assert not Path("out").exists()


def test_show_lists_the_settings_of_training_with_what_they_mean(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["show", "videogmae", "--settings", "train"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    for name in ("mask_ratio", "batch_size", "rgb_mode", "decoder_attention"):
        assert any(re.match(rf"\s*(\w+\.)?{name} = ", line) for line in lines)
    assert any("limit on the norm of the gradients" in line for line in lines if "clip_norm = " in line)
    with pytest.raises(UserError, match="no settings for"):
        cli.main(["show", "zero-motion", "--settings", "train"], standalone_mode=False)


def test_show_fits_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("videogmae", "gmrw", "trackmae", "videomae", "gmae", "lucas-kanade"):
        cli.main(["show", name], standalone_mode=False)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 120
        shown = "\n".join(lines)
        for part in ("weights", "licence", "paper", "--set NAME=VALUE", "Next: vgmae-bench "):
            assert part in shown, name
