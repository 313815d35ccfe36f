"""Official checkpoint layouts: what the importer makes of them gives the official outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.golden import goldens
from tests.golden.goldens import Golden
from tests.golden.videogmae.test_network import network_config
from vgmae_bench.models.imported import Imported
from vgmae_bench.videogmae.checkpoint import load_model
from vgmae_bench.videogmae.network import Encoder, VideoGMAE
from vgmae_bench.videogmae.readout import ReadoutTracker
from vgmae_bench.videogmae.release import import_weights

EXPECTED = "ckpt_vg_expected.npz"
PRETRAINED = {
    "vg_lightning_plain.ckpt": [("interp", True)],
    "vg_lightning_omegaconf.ckpt": [("interp", False), ("ema", True)],
    "vg_wrapped.ckpt": [("pos3d", True)],
}
"""Of each container: the outputs that its weights give, and whether those of the average are asked for."""


def imported(file: Golden, tmp_path: Path, **overrides: Any) -> tuple[Imported, Encoder]:
    """Through the importer to a weights file and back; head counts, which no file tells, are given."""
    heads = {name: file.constructor[name] for name in ("num_heads", "decoder_num_heads")}
    out = tmp_path / "weights.safetensors"
    what = import_weights(file.path, out, {**heads, **overrides})
    model, weights = load_model(out)
    assert weights.kind == what.kind
    return what, model


def check(expected: Golden, name: str, ours: torch.Tensor) -> None:
    """The official arrays may have the frames and the Gaussians of a frame on one axis."""
    expected.close(name, ours.reshape(expected[name].shape), atol=expected.tolerance("all"))


def video(expected: Golden) -> torch.Tensor:
    return goldens.normalised_video(expected["video_u8"])


@pytest.mark.parametrize(("file", "case"), goldens.each(*PRETRAINED, cases=lambda file: PRETRAINED[file.name]))
def test_pretrained_checkpoints_give_the_official_outputs(file: Golden, case: tuple[str, bool], tmp_path: Path) -> None:
    outputs, ema = case
    expected = file.sibling(EXPECTED)
    what, model = imported(file, tmp_path, ema=ema)
    assert isinstance(model, VideoGMAE)
    assert what.config["network"] == network_config(file.constructor)
    with torch.no_grad():
        encoded = model.encode(video(expected))
        gaussians = model.decode(encoded)
    check(expected, f"{outputs}.latent", encoded.latent)
    check(expected, f"{outputs}.x_points", gaussians)
    assert what.config["source"]["weights"] == ("ema" if outputs == "ema" else "raw")


@pytest.mark.parametrize("file", goldens.each("vg_lightning_plain.ckpt"))
def test_omitted_tensors_are_named_with_the_reason(file: Golden, tmp_path: Path) -> None:
    what, _ = imported(file, tmp_path)
    assert [name for name, _ in what.dropped] == file.entry["drop_keys"]
    assert all(why for _, why in what.dropped)


@pytest.mark.parametrize("file", goldens.each("vg_lightning_*.ckpt"))
def test_hyper_parameters_are_read(file: Golden, tmp_path: Path) -> None:
    what, _ = imported(file, tmp_path)
    hyper = what.config["source"]["hyper_parameters"]
    assert isinstance(hyper, dict)
    assert hyper["vocab_size"] == file.constructor["num_gaussian"]
    assert hyper["seq_length"] == file.constructor["number_of_frames"]
    assert hyper["training_type"] == file.constructor["training_type"]
    assert {"rgb_deltas", "rgb_deltas_scale", "scale_factor", "mean_deltas", "inference"} <= set(hyper)
    assert isinstance(hyper["inference"], dict) and isinstance(hyper["inference"]["topk"], int)


@pytest.mark.parametrize("file", goldens.each("vg_lightning_omegaconf.ckpt"))
def test_average_and_raw_weights_have_the_values_of_the_rule(file: Golden, tmp_path: Path) -> None:
    described = file.entry
    for ema, salt in ((True, described["ema_salt"]), (False, described["salt"])):
        what, _ = imported(file, tmp_path, ema=ema)
        for name in described["ema_order"]:
            if name.startswith("encoder."):
                ours = what.tensors[name.removeprefix("encoder.")]
                assert torch.equal(ours, goldens.weight(salt, name.removeprefix("encoder."), tuple(ours.shape))), name


@pytest.mark.parametrize("file", goldens.each("mae_image_init.pth"))
def test_an_image_mae_starts_the_encoder(file: Golden, tmp_path: Path) -> None:
    expected = file.sibling(EXPECTED)
    what, model = imported(file, tmp_path, num_frames=file.constructor["number_of_frames"])
    assert what.kind == "mae-encoder"
    assert {name for name, _ in what.dropped} and not any(name.startswith("decoder") for name in what.tensors)
    assert any("pos_embed_t" in note for note in what.notes)
    with torch.no_grad():
        check(expected, "interp.latent", model.encode(video(expected)).latent)


@pytest.mark.parametrize("file", goldens.each("vg_finetune.ckpt"))
def test_a_fine_tuned_checkpoint_gives_the_official_outputs(file: Golden, tmp_path: Path) -> None:
    expected = file.sibling(EXPECTED)
    what, model = imported(file, tmp_path)
    assert isinstance(model, ReadoutTracker)
    assert what.config["readout"] is not None
    assert what.config["readout"].fourier_features == file.constructor["num_fourier_features"]
    with torch.no_grad():
        check(expected, "ft.latent", model.encode(video(expected)).latent)
        positions, occlusion = model(video(expected), expected.tensor("ft.queries"))
    check(expected, "ft.positions", positions)
    check(expected, "ft.visibility", occlusion)
