from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.gmae.nets import TINY, pictures, weights_file
from tests.golden import goldens
from tests.golden.goldens import Golden
from tests.shared.configured import changed, configured
from vgmae_bench import plugins
from vgmae_bench.config import build, read_toml
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.gmae import SPEC
from vgmae_bench.gmae.checkpoint import load_model
from vgmae_bench.gmae.network import GMAE, SIZES
from vgmae_bench.gmae.pretrain import PretrainConfig, Pretraining, image_loss, patch_normalised
from vgmae_bench.training.recipe import Batch, untrained
from vgmae_bench.videogmae.pretrain import PretrainConfig as VideoConfig
from vgmae_bench.videogmae.pretrain import Pretraining as VideoPretraining
from vgmae_bench.videogmae.release import import_weights


def db(error: float) -> float:
    return -10 * math.log10(error)


def test_it_overfits_images_far_beyond_their_mean_colours() -> None:
    config = changed(TINY, mask_ratio=0.0, loss_region="all", attention_start="similar", patch_start="whitened")
    recipe, batch = Pretraining(config), pictures(2)
    model = recipe.network
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(120):
        loss, parts = recipe(batch, step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert parts.keys() == {"reconstruction"}
    colours = batch.video.float() / 255
    mean = float((colours - colours.mean(dim=(1, 2, 3), keepdim=True)).square().mean())
    assert db(float(loss.detach())) > db(mean) + 3


def test_losses_equal_values_computed_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    rendered, images = torch.rand(2, 2, 1, 32, 32, 3, generator=generator)
    mask = torch.rand(2, 16, generator=generator) < 0.5
    hidden = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    wanted = images.clone()
    for b in range(2):
        for token in range(16):
            row, column = 8 * (token // 4), 8 * (token % 4)
            patch = images[b, 0, row : row + 8, column : column + 8]
            wanted[b, 0, row : row + 8, column : column + 8] = (patch - patch.mean()) / (patch.var() + 1e-6).sqrt()
            hidden[b, 0, row : row + 8, column : column + 8] = mask[b, token]

    def over_hidden(target: torch.Tensor) -> torch.Tensor:
        return torch.stack([(rendered[b] - target[b]).square()[hidden[b]].mean() for b in range(2)]).mean()

    config = TINY.network
    torch.testing.assert_close(image_loss(rendered, images, mask, "all", config), (rendered - images).square().mean())
    torch.testing.assert_close(image_loss(rendered, images, mask, "masked", config), over_hidden(images))
    torch.testing.assert_close(image_loss(rendered, images, mask, "masked_patchnorm", config), over_hidden(wanted))
    torch.testing.assert_close(patch_normalised(images, config), wanted)


def test_visible_pixels_do_not_count_in_the_masked_loss() -> None:
    rendered, images = torch.rand(2, 1, 1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(16)[None] >= 4  # the first row of patches is shown
    changed = images.clone()
    changed[:, :, :8] = 0
    for region in ("masked", "masked_patchnorm"):
        same = [image_loss(rendered, target, mask, region, TINY.network) for target in (images, changed)]
        assert same[0] == same[1]
    assert image_loss(rendered, images, mask, "all", TINY.network) != image_loss(
        rendered, changed, mask, "all", TINY.network
    )


def test_three_quarters_of_the_patches_are_hidden_depending_on_the_seed_only() -> None:
    recipe, batch = Pretraining(TINY), pictures(2)
    _, mask = recipe.rebuild(batch, TINY.mask_ratio)
    assert mask.sum(dim=1).tolist() == [12, 12]
    _, alone = recipe.rebuild(Batch(batch.video[1:], batch.seeds[1:]), TINY.mask_ratio)
    assert torch.equal(alone[0], mask[1])


@pytest.mark.parametrize("changes", [{}, {"query_position": "learned", "gaussian_start": "random"}])
def test_every_parameter_gets_a_gradient(changes: dict[str, Any]) -> None:
    config = changed(TINY, **changes)
    recipe = Pretraining(config)
    model = recipe.network
    recipe(pictures(), 0)[0].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def configurations() -> dict[str, Path]:
    folder = plugins.beside(plugins.find("methods", SPEC.name), SPEC.configs)
    return {path.stem: path for path in folder.glob("*.toml")}


def test_shipped_configurations_are_valid_and_say_what_the_paper_says() -> None:
    made = {name: build(PretrainConfig, read_toml(path), owner="gmae") for name, path in configurations().items()}
    assert made["tiny"].network == SIZES["tiny"]
    paper = made["paper-base"]
    assert paper.network == SIZES["base"]
    assert (paper.mask_ratio, paper.loss_region, paper.view.scale_factor) == (0.75, "masked", 1.0)
    assert paper.steps * paper.data.batch_size / 1_281_167 == pytest.approx(400, rel=1e-3)
    assert paper.peak_lr == pytest.approx(2.4e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_ratios": 0.5}, "Did you mean mask_ratio"),
        ({"mask_ratio": 1.0}, "mask_ratio"),
        ({"mask_ratio": 0.0}, "loss has no pixels"),
        ({"num_frames": 2}, "num_frames"),
        ({"scale_factor": 0}, "scale_factor"),
        ({"gaussian_start": "grid", "camera": "box"}, "gaussian_start=grid needs"),
        ({"image_size": 65}, "multiple of patch_size="),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(PretrainConfig, settings, owner="gmae")


def test_saved_weights_contain_all_settings_for_tracking(tmp_path: Path) -> None:
    config = changed(TINY, scale_factor=0.5, gaussian_start="random", composite="black")
    recipe = Pretraining(config)
    model = recipe.network
    recipe.export(tmp_path / "weights.safetensors", {"steps": 3})
    loaded = load_model(tmp_path / "weights.safetensors")
    assert (loaded.network.config, loaded.view) == (config.network, config.view)
    assert all(torch.equal(value, loaded.network.state_dict()[name]) for name, value in model.state_dict().items())


def test_random_weights_depend_on_their_seed_alone() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (untrained(lambda: GMAE(TINY.network), seed).blocks[0].mlp.fc1.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_pictures_are_drawn(tmp_path: Path) -> None:
    from PIL import Image

    Pretraining(TINY).pictures(pictures(2), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        assert (image.width, image.height) == (4 * 4 * 32, 2 * 4 * 32)


MAE = "mae_image_init.pth"


def of_an_image_mae() -> dict[str, Any]:
    """The shape of networks whose training can start from the recorded image MAE."""
    shape = Golden(goldens.HERE / "data", MAE).constructor
    return {
        "image_size": shape["img_size"],
        "patch_size": shape["patch_size"],
        "embed_dim": shape["embed_dim"],
        "depth": shape["depth"],
        "num_heads": shape["num_heads"],
        "num_gaussians": 4,
        "decoder_embed_dim": 16,
        "decoder_depth": 1,
        "decoder_num_heads": 2,
        "backend": "torch",
    }


def test_official_image_mae_weights_start_the_encoder(tmp_path: Path) -> None:
    imported = import_weights(
        goldens.HERE / "data" / MAE, tmp_path / "mae.safetensors", {"num_heads": of_an_image_mae()["num_heads"]}
    )
    recipe = Pretraining(configured(PretrainConfig, **of_an_image_mae()))
    model = recipe.network
    told = recipe.init_from(tmp_path / "mae.safetensors")
    state = model.state_dict()
    learned = [name for name in imported.tensors if "pos_embed" not in name]
    assert {"cls_token", "norm.bias", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"} <= set(learned)
    assert all(torch.equal(state[name], imported.tensors[name]) for name in learned)
    torch.testing.assert_close(model.pos_embed, imported.tensors["pos_embed"])
    assert "decoder" not in told[0]
    assert "decoder_blocks" in told[1]


def test_video_gmae_that_starts_from_gmae_has_its_latents_of_an_image(tmp_path: Path) -> None:
    """With the same encoder, the first frame of a clip, alone unmasked, has the latents of that image."""
    weights_file(tmp_path / "gmae.safetensors")
    shape = {
        name: getattr(TINY.network, name) for name in ("image_size", "patch_size", "embed_dim", "depth", "num_heads")
    }
    decoder = {"decoder_embed_dim": 32, "decoder_depth": 1, "decoder_num_heads": 2, "num_gaussians": 36}
    recipe = VideoPretraining(configured(VideoConfig, **shape, **decoder, num_frames=2, backend="torch"))
    video = recipe.network
    told = recipe.init_from(tmp_path / "gmae.safetensors")
    assert told[0].startswith("taken from gmae.safetensors (gmae)")
    image = torch.randn(1, 3, 1, 32, 32)
    expected = load_model(tmp_path / "gmae.safetensors").network.encode(image)
    clip = torch.cat([image, torch.randn(1, 3, 1, 32, 32)], dim=2)
    found = video.encode(clip, mask_ratio=0.5, order=torch.arange(32)[None])
    torch.testing.assert_close(found.latent, expected.latent)


def test_weights_of_other_models_are_refused(tmp_path: Path) -> None:
    imported = tmp_path / "mae.safetensors"
    import_weights(goldens.HERE / "data" / MAE, imported, {"num_heads": of_an_image_mae()["num_heads"]})
    with pytest.raises(WeightsError, match="not a GMAE"):
        load_model(imported)
