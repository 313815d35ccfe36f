"""What the importer assumes, omits and refuses. tests/golden compares official outputs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.videogmae.test_network import SMALL
from vgmae_bench.errors import UntrustedFileError, UsageError, WeightsError
from vgmae_bench.models.readout import OFFICIAL
from vgmae_bench.videogmae.checkpoint import load_model
from vgmae_bench.videogmae.gaussians.gaussians import Activation
from vgmae_bench.videogmae.network import Encoder, VideoGMAE
from vgmae_bench.videogmae.readout import ReadoutTracker
from vgmae_bench.videogmae.release import import_release, import_weights

HEADS = {"num_heads": SMALL.num_heads, "decoder_num_heads": SMALL.decoder_num_heads}


def official(model: torch.nn.Module) -> dict[str, Tensor]:
    return {f"encoder.{name}": value for name, value in model.state_dict().items()}


def save(tmp_path: Path, content: Any) -> Path:
    torch.save(content, tmp_path / "official.ckpt")
    return tmp_path / "official.ckpt"


def test_a_bare_state_dict_is_enough(tmp_path: Path) -> None:
    model = VideoGMAE(SMALL)
    imported = import_weights(save(tmp_path, model.state_dict()), tmp_path / "out.safetensors", HEADS)
    assert imported.config["network"] == SMALL
    loaded, weights = load_model(tmp_path / "out.safetensors")
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert weights.config["source"] == {"file": "official.ckpt", "weights": "raw", "hyper_parameters": {}}
    assert any("hyper-parameters" in note for note in imported.notes)


def test_the_legacy_format_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"state_dict": official(VideoGMAE(SMALL))}, path, _use_new_zipfile_serialization=False)
    assert import_release(path, HEADS).config["network"] == SMALL


def test_assumed_head_counts_are_reported_and_can_be_set(tmp_path: Path) -> None:
    config = replace(SMALL, embed_dim=192, num_heads=3, decoder_embed_dim=128, decoder_num_heads=2)
    path = save(tmp_path, {"state_dict": official(VideoGMAE(config))})
    imported = import_release(path, {})
    assert imported.config["network"] == config
    assert any("num_heads=3 is assumed" in note for note in imported.notes)
    imported = import_release(path, {"num_heads": "6", "decoder_num_heads": 4})
    assert (imported.config["network"].num_heads, imported.config["network"].decoder_num_heads) == (6, 4)
    assert not any("assumed from" in note for note in imported.notes)


def test_the_values_of_3d_tables_show_the_number_of_frames(tmp_path: Path) -> None:
    config = replace(
        SMALL, position="pos3d", num_frames=4, image_size=8
    )  # 16 tokens: also 1 frame of 4 x 4, or 16 of 1
    model = VideoGMAE(config)
    path = save(tmp_path, {"state_dict": official(model)})
    assert import_release(path, HEADS).config["network"] == config
    model.pos_embed.normal_()  # no sin-cos table any more
    path = save(tmp_path, {"state_dict": official(model)})
    with pytest.raises(WeightsError, match="possible are 1, 4, 16"):
        import_release(path, HEADS)
    assert import_release(path, {**HEADS, "num_frames": 4}).config["network"] == config


@pytest.mark.parametrize(
    ("hyper", "activation"),
    [
        ({"rgb_deltas": False, "rgb_deltas_scale": 1, "scale_factor": 0.4}, Activation(scale_factor=0.4)),
        ({"rgb_deltas": True, "rgb_deltas_scale": 1}, Activation(rgb_mode="frame0_logit")),
        ({"rgb_deltas": True, "rgb_deltas_scale": 0.5}, Activation(rgb_mode="frame0_scaled", rgb_scale=0.5)),
        ({"rgb_deltas": False, "mean_deltas": False}, Activation(mean_deltas=False)),
    ],
)
def test_hyper_parameters_become_the_activation(hyper: dict[str, Any], activation: Activation, tmp_path: Path) -> None:
    content = {"state_dict": official(VideoGMAE(SMALL)), "hyper_parameters": {"cfg": hyper}}
    imported = import_release(save(tmp_path, content), HEADS)
    assert imported.config["activation"] == activation
    assert imported.config["source"]["hyper_parameters"] == hyper


def test_random_frames_means_bidirectional_attention(tmp_path: Path) -> None:
    content = {"state_dict": official(VideoGMAE(SMALL)), "hyper_parameters": {"random_frames": True}}
    assert import_release(save(tmp_path, content), HEADS).config["network"].decoder_attention == "bidirectional"


@pytest.mark.parametrize("frozen", [False, True])
def test_moving_averages_are_matched_with_and_without_frozen_blocks(frozen: bool, tmp_path: Path) -> None:
    model = VideoGMAE(SMALL)
    trained = [(n, p) for n, p in model.named_parameters() if not (frozen and n.startswith("blocks."))]
    undecayed = [(n, p) for n, p in trained if p.ndim == 1 or n.endswith(".bias")]
    decayed = [(n, p) for n, p in trained if not (p.ndim == 1 or n.endswith(".bias"))]
    ema = tuple(parameter.detach() + 1 for _, parameter in undecayed + decayed)
    # The official module registers all its own parameters, fixed tables among them, before its sub-modules.
    content = {"state_dict": official(model), "optimizer_states": [{"ema": ema}]}
    imported = import_release(save(tmp_path, content), HEADS)
    for name, value in model.state_dict().items():
        averaged = name in dict(trained)
        torch.testing.assert_close(imported.tensors[name], value + 1 if averaged else value)
    assert import_release(save(tmp_path, content), {**HEADS, "ema": False}).config["source"]["weights"] == "raw"


def test_a_moving_average_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    content = {"state_dict": official(VideoGMAE(SMALL)), "optimizer_states": [{"ema": (torch.ones(3), torch.ones(2))}]}
    with pytest.raises(WeightsError, match="ema=false"):
        import_release(save(tmp_path, content), HEADS)


def test_readouts_are_recognised(tmp_path: Path) -> None:
    for position in ("interpolate", "pos3d"):
        config = replace(SMALL, position=position)  # type: ignore[arg-type]  # one of the two
        readout = replace(OFFICIAL, heads=4, fourier_features=6)
        path = save(tmp_path, {"state_dict": official(ReadoutTracker(config, readout))})
        imported = import_release(path, {**HEADS, "readout_heads": 4})
        assert imported.kind == "videogmae-readout"
        assert imported.config["readout"] == readout
        assert "activation" not in imported.config


def test_an_image_mae_becomes_an_encoder_of_16_frames(tmp_path: Path) -> None:
    config = replace(SMALL, num_frames=1)
    state = Encoder(config).state_dict()
    del state["pos_embed_t"]
    path = save(tmp_path, {"model": {**state, "decoder_pred.weight": torch.ones(2), "mask_token": torch.ones(1)}})
    imported = import_release(path, HEADS)
    assert imported.kind == "mae-encoder"
    assert imported.config["network"].num_frames == 16
    assert [name for name, _ in imported.dropped] == ["decoder_pred.weight", "mask_token"]


def test_mismatched_tensors_are_reported_by_name_and_shape(tmp_path: Path) -> None:
    state = official(VideoGMAE(SMALL))
    state["encoder.frame_pos_embed"] = torch.ones(1, 1, 32)
    state["encoder.norm.weight"] = torch.ones(31)
    del state["encoder.decoder_norm.bias"]
    with pytest.raises(WeightsError) as caught:
        import_release(save(tmp_path, {"state_dict": state}), HEADS)
    message = str(caught.value)
    assert "1 missing: decoder_norm.bias" in message
    assert "1 unexpected: frame_pos_embed" in message
    assert "norm.weight [31] instead of [32]" in message


@pytest.mark.parametrize("missing", ["blocks.0.mlp.fc1.weight", "decoder_pos_embed_gaussian", "decoder_embed.bias"])
def test_missing_tensors_that_define_the_size_are_named(missing: str, tmp_path: Path) -> None:
    state = official(VideoGMAE(SMALL))
    del state[f"encoder.{missing}"]
    with pytest.raises(WeightsError, match=missing):
        import_release(save(tmp_path, {"state_dict": state}), HEADS)


@pytest.mark.parametrize(
    "content",
    [{"fc.weight": torch.ones(2, 2)}, {"state_dict": {}}, {"epoch": 3}, [1, 2], torch.ones(3), {"model": {"a": 1}}],
)
def test_other_checkpoints_are_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"official\.ckpt"):
        import_release(save(tmp_path, content), {})


def test_objects_in_place_of_tensors_are_refused(tmp_path: Path) -> None:
    state = {**official(VideoGMAE(SMALL)), "encoder.norm.weight": argparse.Namespace(a=1)}
    with pytest.raises(UntrustedFileError, match=r"encoder\.norm\.weight is a argparse\.Namespace"):
        import_release(save(tmp_path, {"state_dict": state}), HEADS)


def test_mixed_names_are_refused(tmp_path: Path) -> None:
    state = {**official(VideoGMAE(SMALL)), "norm.weight": torch.ones(32)}
    with pytest.raises(WeightsError, match="the same name"):
        import_release(save(tmp_path, {"state_dict": state}), HEADS)


@pytest.mark.parametrize("overrides", [{"num_head": 2}, {"num_heads": "many"}, {"num_heads": 5}])
def test_wrong_overrides_are_usage_errors(overrides: dict[str, Any], tmp_path: Path) -> None:
    path = save(tmp_path, {"state_dict": official(VideoGMAE(SMALL))})
    with pytest.raises(UsageError):
        import_weights(path, tmp_path / "out.safetensors", overrides)
    assert not (tmp_path / "out.safetensors").exists()
