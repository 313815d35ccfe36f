"""Saved weights are loaded unchanged. Errors explain damaged and foreign files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.videogmae.test_network import SMALL, clip
from vgmae_bench.config import to_json
from vgmae_bench.errors import StorageError, WeightsError
from vgmae_bench.models.readout import ReadoutConfig
from vgmae_bench.models.weights_file import load_into, load_weights, save_weights
from vgmae_bench.videogmae.checkpoint import load_model
from vgmae_bench.videogmae.network import Encoder, VideoGMAE
from vgmae_bench.videogmae.readout import ReadoutTracker

READOUT = ReadoutConfig(heads=4, fourier_features=8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A weights file of a small network."""
    path = tmp_path / "folder" / "small.safetensors"
    save_weights(path, VideoGMAE(SMALL).state_dict(), "videogmae", {"network": SMALL, "source": {"run": 3}})
    return path


def test_saved_content_is_loaded_unchanged(path: Path) -> None:
    kind, config, tensors, _ = load_weights(path, method="videogmae")
    assert kind == "videogmae"
    assert config == {"network": to_json(SMALL), "source": {"run": 3}}
    assert set(tensors) == set(VideoGMAE(SMALL).state_dict())
    assert os.listdir(path.parent) == [path.name]


@torch.no_grad()
def test_models_of_every_kind_come_back(tmp_path: Path) -> None:
    for kind, model, config in (
        ("videogmae", VideoGMAE(SMALL), {"network": SMALL}),
        ("videogmae-readout", ReadoutTracker(SMALL, READOUT), {"network": SMALL, "readout": READOUT}),
        ("mae-encoder", Encoder(SMALL), {"network": SMALL}),
    ):
        save_weights(tmp_path / kind, model.state_dict(), kind, config)
        loaded, weights = load_model(tmp_path / kind)
        assert type(loaded) is type(model) and not loaded.training and weights.kind == kind
        assert loaded.config == SMALL
        assert torch.equal(loaded.encode(clip()).latent, model.eval().encode(clip()).latent)
        assert [name for name, _ in loaded.named_parameters()] == [name for name, _ in model.named_parameters()]


def test_files_that_are_older_than_a_switch_load_with_its_default(tmp_path: Path) -> None:
    network = to_json(SMALL)
    assert isinstance(network, dict)
    for name in ("decoder", "query_position", "gaussian_start"):
        del network[name]
    save_weights(tmp_path / "old", VideoGMAE(SMALL).state_dict(), "videogmae", {"network": network})
    assert load_model(tmp_path / "old")[0].config == SMALL


@torch.no_grad()
def test_weights_files_store_our_switches(tmp_path: Path) -> None:
    config = replace(SMALL, decoder="per_identity", query_position="anchored", gaussian_start="grid")
    model = VideoGMAE(config).eval()
    save_weights(tmp_path / "ours", model.state_dict(), "videogmae", {"network": config})
    loaded, _ = load_model(tmp_path / "ours")
    assert loaded.config == config
    assert torch.equal(loaded(clip()), model(clip()))


def test_half_precision_weights_load_as_float32(tmp_path: Path) -> None:
    model = VideoGMAE(SMALL)
    half = {name: value.half() for name, value in model.state_dict().items()}
    save_weights(tmp_path / "half", half, "videogmae", {"network": SMALL})
    loaded, _ = load_model(tmp_path / "half")
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}


def test_a_killed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def fails(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(StorageError, match="disk full"):
        save_weights(path, {"a": torch.zeros(1)}, "videogmae", {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_an_unwritable_place_is_a_storage_error(path: Path) -> None:
    with pytest.raises(StorageError):
        save_weights(path / "below a file", {"a": torch.zeros(1)}, "videogmae", {})


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_truncated_files_are_named(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match=r"small\.safetensors is not a whole safetensors file"):
        load_model(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"There is no weights file .*nowhere"):
        load_weights(tmp_path / "nowhere", method="videogmae")
    with pytest.raises(WeightsError):
        load_weights(tmp_path, method="videogmae")


def test_pytorch_checkpoints_are_not_unpickled_but_explained(tmp_path: Path) -> None:
    for zipped in (True, False):
        torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
        with pytest.raises(WeightsError, match="import-weights"):
            load_weights(tmp_path / "a.pth", method="videogmae")


def test_foreign_safetensors_are_explained(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "bare")
    with pytest.raises(WeightsError, match="not written by vgmae-bench"):
        load_weights(tmp_path / "bare", method="videogmae")
    save_file(
        {"a": torch.zeros(1)}, tmp_path / "later", {"format": "vgmae-bench/9", "kind": "videogmae", "config": "{}"}
    )
    with pytest.raises(WeightsError, match="vgmae-bench/9"):
        load_weights(tmp_path / "later", method="videogmae")
    save_weights(tmp_path / "other", {"a": torch.zeros(1)}, "gmrw", {"network": {}})
    with pytest.raises(WeightsError, match="gmrw"):
        load_model(tmp_path / "other")


def test_mismatches_name_missing_unexpected_and_misshaped_tensors() -> None:
    model = VideoGMAE(SMALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tensors = VideoGMAE(replace(SMALL, depth=3, num_gaussians=6)).state_dict()
    del tensors["norm.bias"]
    with pytest.raises(WeightsError) as caught:
        load_into(model, tensors, source="there")
    message = str(caught.value)
    assert "there" in message
    assert "1 missing: norm.bias" in message
    assert "12 unexpected: blocks.2.norm1.weight, blocks.2.norm1.bias, blocks.2.attn.qkv.weight, …" in message
    assert "1 of another shape: decoder_pos_embed_gaussian [1, 18, 32] instead of [1, 15, 32]" in message
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
