"""Official TrackMAE containers: what the importer makes of them gives the official outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.checkpoint import Model, load_model
from vgmae_baselines.trackmae.network import TrackMAE, split
from vgmae_baselines.trackmae.release import import_weights

from tests.golden import goldens
from tests.golden.test_trackmae_network import network_config

EXPECTED = "ckpt_tm_expected.npz"


def imported(file: str, tmp_path: Path) -> Model:
    """Through the importer to a weights file and back; head counts, which no file tells, are given."""
    made = goldens.entry(file)["constructor"]
    heads = {"num_heads": made["encoder_num_heads"], "decoder_num_heads": made["decoder_num_heads"]}
    out = tmp_path / "weights.safetensors"
    import_weights(goldens.FOLDER / file, out, heads)
    return load_model(out)


def check(name: str, ours: Tensor) -> None:
    atol = float(goldens.entry(EXPECTED)["tolerance"]["all"].removeprefix("atol "))
    np.testing.assert_allclose(ours, goldens.arrays(EXPECTED)[name], atol=atol, rtol=0, err_msg=name)


@pytest.mark.parametrize("file", ["tm_pretrain.pth", "tm_pretrain_old.pth"])
def test_both_key_formats_give_the_official_outputs(file: str, tmp_path: Path) -> None:
    model = imported(file, tmp_path)
    network = model.network
    assert isinstance(network, TrackMAE)
    assert network.config == network_config(goldens.entry(file)["constructor"])
    stored = goldens.arrays(EXPECTED)
    video, mask = goldens.normalised_video(stored["video_u8"]), torch.from_numpy(stored["mask"]).bool()
    with torch.no_grad():
        check("encoder", network.encoder(video, split(mask, network.config.num_tokens)[0]))
        spatial, motion = network(video, mask)
    check("spatial", spatial)
    check("motion", motion)


def test_the_settings_of_the_run_are_read(tmp_path: Path) -> None:
    model = imported("tm_pretrain.pth", tmp_path)
    assert model.trained is not None
    assert (model.trained.motion_norm, model.trained.mask_ratio, model.trained.upsample_tracks) == ("patch", 0.8, True)
    source = model.source
    assert isinstance(source, dict) and isinstance(source["hyper_parameters"], dict)
    assert source["hyper_parameters"]["mask_type_cotracker"] == ["cotracker_motion_bins"]


def test_tensors_have_the_values_of_the_rule(tmp_path: Path) -> None:
    file = "tm_pretrain.pth"
    described = goldens.entry(file)
    for name, value in imported(file, tmp_path).network.state_dict().items():
        if not name.endswith("pos_embed"):
            assert torch.equal(value, goldens.weight(described["salt"], name, tuple(value.shape))), name
