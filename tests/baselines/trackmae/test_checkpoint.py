from __future__ import annotations

from pathlib import Path

import pytest
import torch
from vgmae_baselines.trackmae.checkpoint import CLASSIFIER, PRETRAINED, Trained, load_model, save_model
from vgmae_baselines.trackmae.network import Classifier, Encoder, Heads, TrackMAE

from tests.baselines.trackmae.sliding import ENCODER, NETWORK
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.weights_file import save_weights


@pytest.mark.parametrize("heads", [Heads(NETWORK.patch_values, 8), Heads(0, 10), Heads(12, 0)])
def test_saved_weights_are_loaded_equal(heads: Heads, tmp_path: Path) -> None:
    network = TrackMAE(NETWORK, heads)
    trained = Trained(motion_norm="patch+mean", mask_ratio=0.7, upsample_tracks=True)
    save_model(tmp_path / "w.safetensors", network, trained, {"from": "a test"})
    model = load_model(tmp_path / "w.safetensors")
    assert isinstance(model.network, TrackMAE) and not model.network.training
    assert (model.network.config, model.network.heads) == (NETWORK, heads)
    assert (model.trained, model.source) == (trained, {"from": "a test"})
    for name, value in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], value)
    assert model.encoder is model.network.encoder


def test_a_classifier_is_an_encoder(tmp_path: Path) -> None:
    network = Classifier(ENCODER, 3)
    sections = {"network": network.config, "classes": 3, "source": None}
    save_weights(tmp_path / "w.safetensors", network.state_dict(), CLASSIFIER, sections)
    model = load_model(tmp_path / "w.safetensors")
    assert isinstance(model.encoder, Encoder) and model.encoder.blocks[0].attn.heads == NETWORK.num_heads


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match="no weights file"):
        load_model(path)
    save_weights(path, {"a": torch.ones(1)}, "gmrw", {})
    with pytest.raises(WeightsError, match='holds a "gmrw" model'):
        load_model(path)
    save_weights(path, {"a": torch.ones(1)}, PRETRAINED, {"network": NETWORK})
    with pytest.raises(WeightsError, match="does not describe its network"):
        load_model(path)
    sections = {"network": NETWORK, "heads": {"spatial": 0, "motion": 8}, "trained": Trained()}
    save_weights(path, {"a": torch.ones(1)}, PRETRAINED, sections)
    with pytest.raises(WeightsError, match="unexpected: a"):
        load_model(path)


def test_a_mask_ratio_hides_some() -> None:
    for ratio in (0, 1):
        with pytest.raises(UsageError, match="mask_ratio"):
            Trained(mask_ratio=ratio)
