"""`vgmae-bench explore`, `spatial` and `train` with an image model, as people call them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.downstream.space.layouts import save, square, write_pairs
from tests.gmae.nets import weights_file
from vgmae_bench.cli import cli
from vgmae_bench.errors import UserError


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=True)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    return str(weights_file(tmp_path / "gmae.safetensors"))


def test_explore_writes_a_figure_arrays_and_a_record(weights: str, tmp_path: Path) -> None:
    save(tmp_path / "photo.png", square()[0])
    done = call(
        "explore", "photo.png", "--method", "gmae", "--weights", weights, "--set", "order=far", "--out", "found"
    )
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in Path("found").iterdir()) == ["explore.npz", "explore.png", "record.json"]
    with np.load("found/explore.npz") as arrays:
        assert arrays["figure"].shape == (24, 32)
    record = json.loads(Path("found/record.json").read_text())
    used = record["method"]
    assert (used["name"], used["settings"]["order"], used["weights"]["name"]) == ("gmae", "far", "gmae")
    assert len(record["image"]["sha256"]) == 64
    assert str(tmp_path) not in Path("found/record.json").read_text()


def test_spatial_prints_a_table_of_the_model_and_its_floors(weights: str, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs")
    done = call("spatial", "--method", "gmae", "--weights", weights, "--data", "pairs", "--out", "measured")
    assert done.exit_code == 0, done.output
    rows = re.findall(r"│ (.+?) +│", done.output)
    for method in (
        "gmae (gmae)",
        "gmae (random weights)",
        "centre prior",
        "Otsu",
        "Canny",
        "mean colour",
        "blurred input",
    ):
        assert any(row.startswith(method) for row in rows), method
    record = json.loads(Path("measured/record.json").read_text())
    assert (record["data"]["kind"], record["data"]["images"], record["mask_ratio"]) == ("pairs", 2, 0.75)
    as_json = call(
        "spatial", "--method", "gmae", "--weights", weights, "--data", "pairs", "--json", "--out", "measured"
    )
    assert json.loads(as_json.stdout) == json.loads(Path("measured/summary.json").read_text())


def test_an_image_model_learns_from_a_folder_of_images(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs")
    small = {
        "steps": 2,
        "batch_size": 2,
        "distinct_clips": 0,
        "image_size": 16,
        "num_gaussians": 4,
        "embed_dim": 16,
        "num_heads": 2,
        "depth": 1,
        "decoder_embed_dim": 16,
        "decoder_depth": 1,
        "decoder_num_heads": 2,
        "backend": "torch",
    }
    settings = [word for name, value in small.items() for word in ("--set", f"{name}={value}")]
    done = call("train", "--method", "gmae", "--config", "tiny", "--data", "pairs/images", "--out", "out", *settings)
    assert done.exit_code == 0, done.output
    assert {"weights.safetensors", "curve.png", "log.csv"} <= {path.name for path in Path("out").iterdir()}
    assert list(Path("out/pictures").glob("*.png"))
    assert "vgmae-bench explore" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--method", "gmae", "--dataset", "synth"], "gmae does not track"),
        (["explore", "photo.png", "--method", "lucas-kanade", "--out", "x"], "does not look at single images"),
        (
            ["explore", "photo.png", "--method", "gmae", "--set", "edge_epsilon=1", "--out", "x"],
            "Did you mean edge_eps",
        ),
        (["explore", "explore.png", "--method", "gmae", "--out", "."], "would be replaced"),
        (["explore", "text.png", "--method", "gmae", "--out", "x"], "cannot be read"),
        (["spatial", "--method", "gmae", "--data", "nowhere", "--out", "x"], "neither synth nor a folder"),
        (["spatial", "--method", "gmae", "--weights", "no.safetensors", "--data", "synth", "--out", "x"], "no weights"),
    ],
)
def test_mistakes_are_explained_and_nothing_is_written(arguments: list[str], message: str, tmp_path: Path) -> None:
    for name in ("photo.png", "explore.png"):
        save(tmp_path / name, square()[0])
    (tmp_path / "text.png").write_text("no image")
    done = call(*arguments)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)
    assert not Path("x").exists()
