"""What the importer assumes, omits and refuses; saved weights are loaded unchanged."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.checkpoint import Inference, load_model, save_model
from vgmae_baselines.gmrw.network import GMRW, NetworkConfig
from vgmae_baselines.gmrw.release import import_release, import_weights

from vgmae_bench.errors import UntrustedFileError, UsageError, WeightsError
from vgmae_bench.models.weights_file import save_weights

SMALL = NetworkConfig(feature_channels=16, layers=2, ffn_expansion=3, stem_channels=(8, 12, 20))
GMFLOW_ONLY = {
    "feature_flow_attn.q_proj.weight": torch.ones(16, 16),
    "upsampler.0.weight": torch.ones(4, 18, 3, 3),
    "upsampler.0.bias": torch.ones(4),
}


def state(config: NetworkConfig = SMALL, prefix: str = "") -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {prefix + name: value for name, value in GMRW(config).state_dict().items()}


def save(tmp_path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, tmp_path / "official.pth", **options)
    return tmp_path / "official.pth"


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_container_of_a_distributed_run(prefix: str, tmp_path: Path) -> None:
    arguments = argparse.Namespace(temp=0.0, lr=4e-5, device=torch.device("cuda", 0), resume=None)
    content = {"model": state(prefix=prefix), "optimizer": {"state": {}}, "epoch": 7, "args": arguments}
    imported = import_weights(save(tmp_path, content), tmp_path / "out.safetensors", {})
    assert imported.config["network"] == SMALL
    assert imported.config["inference"] == Inference(None, 4)
    assert imported.dropped == []
    loaded = load_model(tmp_path / "out.safetensors")
    assert loaded.network.config == SMALL and not loaded.network.training
    assert loaded.inference == Inference(None, 4)
    assert loaded.source == {
        "file": "official.pth",
        "hyper_parameters": {"temp": 0.0, "lr": 4e-5, "device": None, "resume": None},
    }
    for name, value in state().items():
        assert torch.equal(loaded.network.state_dict()[name], value), name


def test_an_old_file_may_hold_weights_and_nothing_else(tmp_path: Path) -> None:
    old = {"_use_new_zipfile_serialization": False}
    assert import_release(save(tmp_path, {"model": state()}, **old), {}).config["network"] == SMALL
    with pytest.raises(UntrustedFileError, match="more than tensors"):
        import_release(save(tmp_path, {"model": state(), "args": argparse.Namespace(temp=0.0)}, **old), {})


@pytest.mark.parametrize("wrapping", ["model", "module", "state_dict", "model_state"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model.", "module._orig_mod.model."])
def test_every_wrapping_is_the_same_network(wrapping: str, prefix: str, tmp_path: Path) -> None:
    imported = import_release(save(tmp_path, {wrapping: {**state(prefix=prefix), "_extra_state": None}}), {})
    assert imported.config["network"] == SMALL and imported.tensors.keys() == state().keys()


def test_non_finite_weights_are_refused(tmp_path: Path) -> None:
    broken = state()
    broken["backbone.conv2.bias"][0] = torch.nan
    with pytest.raises(WeightsError, match=r"NaN or infinite weights.*\n?.*backbone\.conv2\.bias"):
        import_release(save(tmp_path, {"model": broken}), {})


def test_a_bare_state_dict_is_enough(tmp_path: Path) -> None:
    imported = import_release(save(tmp_path, state()), {})
    assert imported.config["network"] == SMALL
    assert imported.config["source"] == {"file": "official.pth", "hyper_parameters": None}


def test_settings_missing_in_the_checkpoint_are_reported_and_can_be_set(tmp_path: Path) -> None:
    path = save(tmp_path, {"model": state(), "args": argparse.Namespace(temp=0.07)})
    imported = import_release(path, {})
    assert imported.config["network"] == replace(SMALL, tau=0.07)
    assert any("input_range" in note for note in imported.notes) and any("upsample" in note for note in imported.notes)
    told = import_release(path, {"input_range": "official", "upsample": 1, "splits": "4", "tau": 2})
    assert told.config["network"] == replace(SMALL, splits=4, tau=2.0)
    assert told.config["inference"] == Inference("official", 1)
    assert told.notes == []


def test_tensors_used_only_by_gmflow_are_omitted(tmp_path: Path) -> None:
    imported = import_release(save(tmp_path, {"model": {**state(), **GMFLOW_ONLY}}), {})
    assert imported.config["network"] == SMALL
    assert imported.config["inference"] == Inference("correct", 1)
    assert [name for name, _ in imported.dropped] == list(GMFLOW_ONLY)
    assert set(imported.tensors) == set(state())
    assert any("ground-truth flow" in note for note in imported.notes)


def test_mismatched_tensors_are_reported_by_name_and_shape(tmp_path: Path) -> None:
    tensors = state()
    tensors["transformer.extra"] = torch.ones(2)
    tensors["backbone.conv2.bias"] = torch.ones(3)
    del tensors["backbone.trident_conv.weight"]
    with pytest.raises(WeightsError) as caught:
        import_release(save(tmp_path, {"model": tensors}), {})
    message = str(caught.value)
    assert "1 missing: backbone.trident_conv.weight" in message
    assert "1 unexpected: transformer.extra" in message
    assert "backbone.conv2.bias [3] instead of [16]" in message


@pytest.mark.parametrize("missing", ["backbone.conv1.weight", "transformer.layers.0.cross_attn_ffn.mlp.0.weight"])
def test_missing_tensors_that_define_the_size_are_named(missing: str, tmp_path: Path) -> None:
    tensors = state()
    del tensors[missing]
    with pytest.raises(WeightsError, match=missing):
        import_release(save(tmp_path, {"model": tensors}), {})


@pytest.mark.parametrize(
    "content",
    [{"fc.weight": torch.ones(2, 2)}, {"model": {}}, {"epoch": 3}, [1, 2], torch.ones(3), {"model": {"a": 1}}],
)
def test_other_checkpoints_are_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"official\.pth"):
        import_release(save(tmp_path, content), {})


def test_objects_in_place_of_tensors_are_refused(tmp_path: Path) -> None:
    content = {"model": {**state(), "backbone.conv2.bias": argparse.Namespace(a=1)}}
    with pytest.raises(UntrustedFileError, match=r"backbone\.conv2\.bias is a argparse\.Namespace"):
        import_release(save(tmp_path, content), {})


def test_mixed_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the same name"):
        import_release(save(tmp_path, {"model": {**state(), **state(prefix="module.")}}), {})


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, {"model": state()})
    data = path.read_bytes()
    for share in (0.0, 0.3, 0.99):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(WeightsError, match="not a whole PyTorch checkpoint"):
            import_weights(path, tmp_path / "out.safetensors", {})
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("overrides", [{"split": 2}, {"splits": 0}, {"tau": 0}, {"upsample": 3}, {"input_range": "0"}])
def test_wrong_overrides_are_usage_errors(overrides: dict[str, Any], tmp_path: Path) -> None:
    path = save(tmp_path, {"model": state()})
    with pytest.raises(UsageError):
        import_weights(path, tmp_path / "out.safetensors", overrides)
    assert not (tmp_path / "out.safetensors").exists()


def test_saved_weights_are_loaded_unchanged(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = GMRW(replace(SMALL, tau=0.5, features_l2=True))
    save_model(tmp_path / "a.safetensors", model, Inference("correct", 2), {"run": 3})
    network, inference, source = load_model(tmp_path / "a.safetensors")
    assert (network.config, inference, source) == (model.config, Inference("correct", 2), {"run": 3})
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in network.state_dict().items())
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode  # others may read it


def test_files_of_other_models_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "other", {"a": torch.zeros(1)}, "videogmae", {"network": {}, "inference": {}})
    with pytest.raises(WeightsError, match="videogmae"):
        load_model(tmp_path / "other")
    save_weights(tmp_path / "half", {"a": torch.zeros(1)}, "gmrw", {"network": SMALL, "inference": Inference()})
    with pytest.raises(WeightsError, match="missing"):
        load_model(tmp_path / "half")
    with pytest.raises(WeightsError, match="--method gmrw"):
        load_model(save(tmp_path, {"model": state()}))
