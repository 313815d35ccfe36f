"""GMRW on the command line: import of weights, runs, and errors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from vgmae_baselines.gmrw.network import GMRW, NetworkConfig

from vgmae_bench.cli import cli
from vgmae_bench.errors import UsageError

SYNTH = ["--dataset", "synth", "--dataset-set", "clips=1", "--dataset-set", "frames=4", "--limit", "1"]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def weights() -> str:
    """A small network, imported from the container of the releases."""
    torch.manual_seed(0)
    network = GMRW(NetworkConfig(feature_channels=8, layers=1, ffn_expansion=1, stem_channels=(4, 4, 8)))
    tensors = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"model": tensors, "args": argparse.Namespace(temp=0.0)}, "official.pth")
    done = call("import-weights", "official.pth", "--method", "gmrw", "--out", "gmrw.safetensors")
    assert "gmrw.safetensors: 36 tensors" in done.stdout
    assert "note: " in done.stderr and "input_range" in done.stderr
    return "gmrw.safetensors"


def test_it_runs_on_the_embedded_dataset() -> None:
    result = json.loads(call("run", "--method", "gmrw", *SYNTH, "--json").stdout)
    assert result["clips"]["failed"] == 0
    record = json.loads((Path(result["run"]) / "record.json").read_text())
    assert record["method"]["settings"]["tracking"] == "chained"


def test_imported_weights_run_once_the_input_range_is_chosen(weights: str) -> None:
    asked = ["run", "--method", "gmrw", "--weights", weights, *SYNTH, "--set", "upsample=1"]
    refused = call(*asked).exception
    assert isinstance(refused, UsageError)
    assert "do not say how frames are normalised" in str(refused)
    assert "Try: --set input_range=correct" in str(refused)
    runs = set()
    for choice in ("input_range=correct", "preset=official"):
        result = json.loads(call(*asked, "--set", choice, "--json").stdout)
        assert result["clips"]["failed"] == 0
        runs.add(result["run"])
    assert len(runs) == 2
