"""Official TrackMAE containers: what the importer makes of them gives the official outputs."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.checkpoint import Model, load_model
from vgmae_baselines.trackmae.network import TrackMAE, split
from vgmae_baselines.trackmae.release import import_weights

from tests.golden import goldens
from tests.golden.goldens import Golden
from tests.golden.trackmae.test_network import network_config

EXPECTED = "ckpt_tm_expected.npz"
FILES = goldens.each("tm_pretrain*.pth")


def imported(file: Golden, tmp_path: Path) -> Model:
    """Through the importer to a weights file and back; head counts, which no file tells, are given."""
    made = file.constructor
    heads = {"num_heads": made["encoder_num_heads"], "decoder_num_heads": made["decoder_num_heads"]}
    out = tmp_path / "weights.safetensors"
    import_weights(file.path, out, heads)
    return load_model(out)


@pytest.mark.parametrize("file", FILES)
def test_both_key_formats_give_the_official_outputs(file: Golden, tmp_path: Path) -> None:
    expected = file.sibling(EXPECTED)
    model = imported(file, tmp_path)
    network = model.network
    assert isinstance(network, TrackMAE)
    assert network.config == network_config(file.constructor)
    video, mask = goldens.normalised_video(expected["video_u8"]), expected.tensor("mask").bool()

    def check(name: str, ours: Tensor) -> None:
        expected.close(name, ours, atol=expected.tolerance("all"))

    with torch.no_grad():
        check("encoder", network.encoder(video, split(mask, network.config.num_tokens)[0]))
        spatial, motion = network(video, mask)
    check("spatial", spatial)
    check("motion", motion)


@pytest.mark.parametrize("file", FILES)
def test_the_settings_of_the_run_are_read(file: Golden, tmp_path: Path) -> None:
    """What the file says is read here by PyTorch's own loader."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        told = vars(torch.load(file.path, weights_only=True)["args"])
    model = imported(file, tmp_path)
    assert model.trained is not None
    trained = (model.trained.motion_norm, model.trained.mask_ratio, model.trained.upsample_tracks)
    assert trained == (told["cotracker_norm"], told["mask_ratio"], told["upsample"])
    source = model.source
    assert isinstance(source, dict) and isinstance(source["hyper_parameters"], dict)
    assert source["hyper_parameters"]["mask_type_cotracker"] == told["mask_type_cotracker"]


@pytest.mark.parametrize("file", FILES)
def test_tensors_have_the_values_of_the_rule(file: Golden, tmp_path: Path) -> None:
    """All but the key biases of the old format, which does not have them."""
    old = "old" in file.name
    for name, value in imported(file, tmp_path).network.state_dict().items():
        if not name.endswith("pos_embed") and not (old and name.endswith("qkv.bias")):
            assert torch.equal(value, goldens.weight(file.entry["salt"], name, tuple(value.shape))), name
