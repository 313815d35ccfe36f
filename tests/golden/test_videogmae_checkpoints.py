"""Official checkpoint layouts: what the importer makes of them gives the official outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.golden import goldens
from tests.golden.test_videogmae_network import network_config
from vgmae_bench.videogmae.checkpoint import load_model
from vgmae_bench.videogmae.network import Encoder, VideoGMAE
from vgmae_bench.videogmae.readout import ReadoutTracker
from vgmae_bench.videogmae.release import Imported, import_weights

EXPECTED = "ckpt_vg_expected.npz"


def imported(file: str, tmp_path: Path, **overrides: Any) -> tuple[Imported, Encoder]:
    """Through the importer to a weights file and back; head counts, which no file tells, are given."""
    constructor = goldens.entry(file)["constructor"]
    heads = {name: constructor[name] for name in ("num_heads", "decoder_num_heads")}
    out = tmp_path / "weights.safetensors"
    what = import_weights(goldens.FOLDER / file, out, {**heads, **overrides})
    model, weights = load_model(out)
    assert weights.kind == what.kind
    return what, model


def check(name: str, ours: torch.Tensor) -> None:
    official = goldens.arrays(EXPECTED)[name]
    atol = float(goldens.entry(EXPECTED)["tolerance"]["all"].removeprefix("atol "))
    np.testing.assert_allclose(ours.numpy(), official.reshape(ours.shape), atol=atol, rtol=0)


def video() -> torch.Tensor:
    return goldens.normalised_video(goldens.arrays(EXPECTED)["video_u8"])


@pytest.mark.parametrize(
    ("file", "expected", "ema"),
    [
        ("vg_lightning_plain.ckpt", "interp", True),
        ("vg_lightning_omegaconf.ckpt", "interp", False),
        ("vg_lightning_omegaconf.ckpt", "ema", True),
        ("vg_wrapped.ckpt", "pos3d", True),
    ],
)
def test_pretrained_checkpoints_give_the_official_outputs(file: str, expected: str, ema: bool, tmp_path: Path) -> None:
    what, model = imported(file, tmp_path, ema=ema)
    assert isinstance(model, VideoGMAE)
    ours, theirs = what.network, network_config(goldens.entry(file)["constructor"])
    assert ours == theirs
    with torch.no_grad():
        encoded = model.encode(video())
        gaussians = model.decode(encoded)
    check(f"{expected}.latent", encoded.latent)
    check(f"{expected}.x_points", gaussians)
    assert what.source["weights"] == ("ema" if expected == "ema" else "raw")


def test_what_is_dropped_is_named_with_its_reason(tmp_path: Path) -> None:
    file = "vg_lightning_plain.ckpt"
    what, _ = imported(file, tmp_path)
    assert [name for name, _ in what.dropped] == goldens.entry(file)["drop_keys"]
    assert all(why for _, why in what.dropped)


@pytest.mark.parametrize("file", ["vg_lightning_plain.ckpt", "vg_lightning_omegaconf.ckpt"])
def test_hyper_parameters_are_read(file: str, tmp_path: Path) -> None:
    constructor = goldens.entry(file)["constructor"]
    what, _ = imported(file, tmp_path)
    hyper = what.source["hyper_parameters"]
    assert isinstance(hyper, dict)
    assert hyper["vocab_size"] == constructor["num_gaussian"]
    assert hyper["seq_length"] == constructor["number_of_frames"]
    assert hyper["training_type"] == constructor["training_type"]
    assert {"rgb_deltas", "rgb_deltas_scale", "scale_factor", "mean_deltas", "inference"} <= set(hyper)
    assert isinstance(hyper["inference"], dict) and isinstance(hyper["inference"]["topk"], int)


def test_average_and_raw_weights_have_the_values_of_the_rule(tmp_path: Path) -> None:
    described = goldens.entry("vg_lightning_omegaconf.ckpt")
    for ema, salt in ((True, described["ema_salt"]), (False, described["salt"])):
        what, _ = imported("vg_lightning_omegaconf.ckpt", tmp_path, ema=ema)
        for name in described["ema_order"]:
            if name.startswith("encoder."):
                ours = what.tensors[name.removeprefix("encoder.")]
                assert torch.equal(ours, goldens.weight(salt, name.removeprefix("encoder."), tuple(ours.shape))), name


def test_an_image_mae_starts_the_encoder(tmp_path: Path) -> None:
    file = "mae_image_init.pth"
    frames = goldens.entry(file)["constructor"]["number_of_frames"]
    what, model = imported(file, tmp_path, num_frames=frames)
    assert what.kind == "mae-encoder"
    assert {name for name, _ in what.dropped} and not any(name.startswith("decoder") for name in what.tensors)
    assert any("pos_embed_t" in note for note in what.notes)
    with torch.no_grad():
        check("interp.latent", model.encode(video()).latent)


def test_a_fine_tuned_checkpoint_gives_the_official_outputs(tmp_path: Path) -> None:
    file = "vg_finetune.ckpt"
    what, model = imported(file, tmp_path)
    assert isinstance(model, ReadoutTracker)
    assert what.readout is not None
    assert what.readout.fourier_features == goldens.entry(file)["constructor"]["num_fourier_features"]
    queries = torch.from_numpy(goldens.arrays(EXPECTED)["ft.queries"])
    with torch.no_grad():
        check("ft.latent", model.encode(video()).latent)
        positions, occlusion = model(video(), queries)
    check("ft.positions", positions)
    check("ft.visibility", occlusion)
