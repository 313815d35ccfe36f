"""What the importer assumes and refuses, and other naming schemes. tests/golden compares official outputs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from vgmae_baselines.trackmae.checkpoint import load_model
from vgmae_baselines.trackmae.names import in_our_names
from vgmae_baselines.trackmae.network import Classifier, Heads, TrackMAE, split
from vgmae_baselines.trackmae.release import import_release, import_weights

from tests.baselines.trackmae.sliding import NETWORK
from vgmae_bench.errors import UntrustedFileError, UsageError, WeightsError

HEADS = {"num_heads": NETWORK.num_heads, "decoder_num_heads": NETWORK.decoder_num_heads}
HUGGING_FACE = {
    "image_size": NETWORK.image_size,
    "patch_size": NETWORK.patch_size,
    "num_frames": NETWORK.num_frames,
    "hidden_size": NETWORK.embed_dim,
    "num_hidden_layers": NETWORK.depth,
    "num_attention_heads": NETWORK.num_heads,
    "intermediate_size": 4 * NETWORK.embed_dim,
    "decoder_hidden_size": NETWORK.decoder_embed_dim,
    "decoder_num_attention_heads": NETWORK.decoder_num_heads,
    "decoder_num_hidden_layers": NETWORK.decoder_depth,
    "decoder_intermediate_size": 4 * NETWORK.decoder_embed_dim,
    "layer_norm_eps": 1e-6,
}
SIZES = {"image_size": NETWORK.image_size, "num_frames": NETWORK.num_frames}


def trackmae() -> TrackMAE:
    torch.manual_seed(0)
    return TrackMAE(NETWORK, Heads(NETWORK.patch_values, 8)).eval()


def save(tmp_path: Path, state: Any, **args: Any) -> Path:
    torch.save({"model": state, "args": argparse.Namespace(**args)}, tmp_path / "official.pth")
    return tmp_path / "official.pth"


def old_format(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names as the official converter writes them, without key biases."""
    old: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith("attn.qkv.bias"):
            q, _, v = value.chunk(3)
            layer = name.removesuffix("qkv.bias")
            old |= {f"{layer}q_bias": q, f"{layer}v_bias": v}
        else:
            old[name] = value
    return old


def random_video() -> Tensor:
    return torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(1))


def test_old_parameter_names_are_read_with_zero_key_biases() -> None:
    state = trackmae().state_dict()
    for name, value in in_our_names(old_format(state)).items():
        expected = state[name].clone()
        if name.endswith("qkv.bias"):
            expected.chunk(3)[1].zero_()
        assert torch.equal(value, expected)


def test_settings_are_read_from_the_run_and_assumptions_are_reported(tmp_path: Path) -> None:
    path = save(tmp_path, trackmae().state_dict(), window_size=(4, 4, 4), cotracker_norm="raw", mask_ratio=0.8)
    imported = import_release(path, HEADS)
    assert imported.config["network"] == NETWORK
    trained = imported.config["trained"]
    assert (trained.motion_norm, trained.mask_ratio, trained.motion_drop_last) == ("none", 0.8, False)
    assert imported.notes == [] and imported.dropped == []
    path = save(tmp_path, trackmae().state_dict())
    notes = import_release(path, {"num_frames": 8}).notes
    assert [note.split("=")[0] for note in notes] == ["num_heads", "decoder_num_heads"]
    with pytest.raises(WeightsError, match="no square patches of 16 frames") as error:
        import_release(path, {})
    assert "num_frames" in error.value.try_


def test_tables_that_are_missing_are_computed(tmp_path: Path) -> None:
    state = {name: value for name, value in trackmae().state_dict().items() if not name.endswith("pos_embed")}
    out = tmp_path / "out.safetensors"
    imported = import_weights(save(tmp_path, state), out, {**HEADS, **SIZES})
    assert any("image_size" in note for note in imported.notes)
    for name, value in load_model(out).network.state_dict().items():
        assert torch.equal(value, trackmae().state_dict()[name]), name


@pytest.mark.parametrize("prefix", ["", "encoder.", "module."])
def test_fine_tuned_networks(prefix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    classifier = Classifier(NETWORK, 5).eval()
    official = {name: value for name, value in classifier.state_dict().items() if name != "pos_embed"}
    named = {
        name if prefix == "encoder." and name.startswith(("fc_norm", "head")) else prefix + name: value
        for name, value in official.items()
    }
    out = tmp_path / "out.safetensors"
    import_weights(save(tmp_path, old_format(named)), out, {**SIZES, "num_heads": NETWORK.num_heads})
    model = load_model(out)
    assert isinstance(model.network, Classifier) and model.trained is None
    torch.testing.assert_close(
        model.network.logits(random_video()), classifier.logits(random_video()), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_hugging_face_pretraining_models_give_the_same_outputs(suffix: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra clip is not installed")
    torch.manual_seed(0)
    theirs = transformers.VideoMAEForPreTraining(
        transformers.VideoMAEConfig(**HUGGING_FACE, use_mean_pooling=False)
    ).eval()
    with torch.no_grad():
        for name, value in theirs.named_parameters():
            if name.endswith(("bias", "mask_token")):  # which start as zeros
                value.normal_(std=0.5)
    path = tmp_path / f"model{suffix}"
    state = hub_names(theirs.state_dict())
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    out = tmp_path / "out.safetensors"
    imported = import_weights(path, out, {**HEADS, **SIZES})
    assert imported.config["heads"] == Heads(NETWORK.patch_values, 0)
    ours = load_model(out).network
    assert isinstance(ours, TrackMAE)
    mask = (torch.arange(16) % 4 > 0).repeat(4).expand(2, -1)
    with torch.no_grad():
        expected = theirs.videomae(random_video().transpose(1, 2), bool_masked_pos=mask).last_hidden_state
        found = ours.encoder(random_video(), split(mask, NETWORK.num_tokens)[0])
        logits = theirs(random_video().transpose(1, 2), bool_masked_pos=mask).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours(random_video(), mask).spatial, logits, atol=1e-4, rtol=0)


def test_hugging_face_classifiers_give_the_same_logits(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra clip is not installed")
    torch.manual_seed(0)
    config = transformers.VideoMAEConfig(**HUGGING_FACE, use_mean_pooling=True, num_labels=5)
    theirs = transformers.VideoMAEForVideoClassification(config).eval()
    torch.save(hub_names(theirs.state_dict()), tmp_path / "model.bin")
    out = tmp_path / "out.safetensors"
    import_weights(tmp_path / "model.bin", out, {**SIZES, "num_heads": NETWORK.num_heads})
    ours = load_model(out).network
    assert isinstance(ours, Classifier)
    with torch.no_grad():
        expected = theirs(random_video().transpose(1, 2)).logits
    # Its LayerNorm before the classifier has another epsilon.
    torch.testing.assert_close(ours.logits(random_video()), expected, atol=1e-4, rtol=0)


def hub_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of files on the hub, from older versions: q_bias and v_bias for every attention."""
    for new, old in ((".attention.query.bias", ".attention.q_bias"), (".attention.value.bias", ".attention.v_bias")):
        state = {name.replace(new, old): value for name, value in state.items()}
    assert any(name.endswith("q_bias") for name in state)
    return state


@pytest.mark.parametrize(
    "content", [{"fc.weight": torch.ones(2, 2)}, {"model": {}}, [1, 2], {"model": {"mask_token": torch.ones(1)}}]
)
def test_other_checkpoints_are_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "official.pth")
    with pytest.raises(WeightsError, match=r"official\.pth"):
        import_release(tmp_path / "official.pth", {})


def test_differences_are_named(tmp_path: Path) -> None:
    state = trackmae().state_dict()
    del state["encoder.norm.bias"]
    state["extra"] = torch.ones(1)
    with pytest.raises(WeightsError, match=r"1 missing: encoder\.norm\.bias; 1 unexpected: extra"):
        import_release(save(tmp_path, state, window_size=(4, 4, 4)), HEADS)


def test_objects_in_place_of_tensors_are_refused(tmp_path: Path) -> None:
    state = {**trackmae().state_dict(), "encoder.norm.bias": argparse.Namespace(a=1)}
    with pytest.raises(UntrustedFileError, match=r"encoder\.norm\.bias"):
        import_release(save(tmp_path, state), HEADS)


@pytest.mark.parametrize("overrides", [{"num_head": 2}, {"num_heads": "many"}, {"num_heads": 5}, {"motion_norm": "x"}])
def test_wrong_overrides_are_usage_errors(overrides: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        import_release(save(tmp_path, trackmae().state_dict()), {**HEADS, **SIZES, **overrides})


def test_damaged_safetensors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        import_release(tmp_path / "model.safetensors", {})
