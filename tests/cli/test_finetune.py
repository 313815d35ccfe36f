"""`vgmae-bench finetune` from an encoder to scores, in processes of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.clips import write_davis
from tests.videogmae.test_network import SMALL
from vgmae_bench.training.log import read_log
from vgmae_bench.videogmae.checkpoint import save_weights
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
    """encoder.safetensors and config.toml in the working folder; processes that share two cores must not spin."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    network = replace(SMALL, image_size=32)
    save_weights(Path("encoder.safetensors"), VideoGMAE(network).state_dict(), "videogmae", {"network": network})
    Path("config.toml").write_text(CONFIG)


def arguments(out: str, *more: str, method: str = "videogmae", data: str = "synth") -> list[str]:
    base = ["finetune", "--method", method, "--config", "config.toml", "--weights", "encoder.safetensors"]
    return [*base, "--data", data, "--out", out, *more]


def losses(out: str) -> list[float | None]:
    return [row["loss"] for row in read_log(Path(out, "log.csv"))]


def test_what_it_leaves_is_a_tracker_and_once_is_enough() -> None:
    done = call(*arguments("out"))
    assert "taken from encoder.safetensors (videogmae): encoder" in done.stderr and "δ_avg" in done.stderr
    assert {path.name for path in Path("out").iterdir()} >= {
        "weights.safetensors",
        "log.csv",
        "curve.png",
        "record.json",
    }
    assert json.loads(Path("out/record.json").read_text())["identity"]["freeze_scope"] == "all"
    whole = losses("out")
    assert len(whole) == 6

    assert call(*arguments("out")).returncode == 0  # nothing is left to do, and nothing is done
    assert losses("out") == whole

    scored = call("run", "--method", "videogmae", "--dataset", "synth", "--limit", "1", "--json", "--weights",
                  "out/weights.safetensors", code=0)  # fmt: skip
    assert json.loads(scored.stdout)["clips"]["scored"] == 1


def test_any_data_set_with_tracks_can_be_learned_from(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data")
    more = ("--data-root", str(root), "--set", "steps=2", "--set", "validate_clips=0", "--set", "freeze_scope=none")
    call(*arguments("out", *more, data="davis"))
    assert json.loads(Path("out/record.json").read_text())["identity"]["data"]["kind"] == "davis"


def test_mistakes_are_named_and_leave_nothing() -> None:
    assert "Did you mean freeze_scope" in call(*arguments("out", "--set", "freeze=all"), code=2).stderr
    assert "does not learn" in call(*arguments("out", method="zero-motion"), code=2).stderr
    assert "heads" in call(*arguments("out", "--set", "readout_heads=5"), code=2).stderr
    assert not Path("out").exists()
