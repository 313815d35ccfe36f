from __future__ import annotations

from pathlib import Path

import torch

from tests.gmae.nets import TINY, weights_file
from tests.golden import goldens
from tests.golden.goldens import Golden
from vgmae_bench.downstream.actions.heads import open_encoder
from vgmae_bench.gmae.checkpoint import load_model
from vgmae_bench.videogmae.release import import_weights


def test_probing_uses_the_tokens_of_the_encoder(tmp_path: Path) -> None:
    weights = weights_file(tmp_path / "gmae.safetensors")
    encoder = open_encoder("gmae", str(weights), {}, seed=0).encoder
    assert (encoder.num_frames, encoder.image_size, encoder.width) == (1, 32, TINY.network.embed_dim)
    image = torch.randn(2, 3, 1, 32, 32)
    with torch.no_grad():
        expected = load_model(weights).network.encode(image).latent
        torch.testing.assert_close(encoder.norm(encoder(image)), expected)


def test_an_image_mae_can_be_probed_for_comparison(tmp_path: Path) -> None:
    shape = Golden(goldens.HERE / "data", "mae_image_init.pth").constructor
    settings = {"num_heads": shape["num_heads"], "num_frames": 1}
    import_weights(goldens.HERE / "data" / "mae_image_init.pth", tmp_path / "mae.safetensors", settings)
    encoder = open_encoder("gmae", str(tmp_path / "mae.safetensors"), {}, seed=0).encoder
    side = shape["img_size"]
    assert encoder(torch.zeros(1, 3, 1, side, side)).shape == (
        1,
        (side // shape["patch_size"]) ** 2,
        shape["embed_dim"],
    )


def test_random_encoders_depend_on_their_seed() -> None:
    first, again, other = (open_encoder("gmae", "random", {}, seed).encoder for seed in (0, 0, 1))
    image = torch.zeros(1, 3, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(first(image), again(image))
        assert not torch.equal(first(image), other(image))
