from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.shared.configured import changed
from tests.videogmae.pretraining import TINY, clips, made
from vgmae_bench import plugins
from vgmae_bench.config import build, read_toml
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.weights_file import load_weights, save_weights
from vgmae_bench.settings import flatten
from vgmae_bench.training.recipe import Batch
from vgmae_bench.videogmae import SPEC, pretrain
from vgmae_bench.videogmae.checkpoint import load_model
from vgmae_bench.videogmae.masking import draw_order
from vgmae_bench.videogmae.network import Encoder, VideoGMAE
from vgmae_bench.videogmae.pretrain import PretrainConfig, Pretraining, Stage


def gradient(config: PretrainConfig, batch: Batch) -> Tensor:
    recipe, model = made(config)
    recipe(batch, 0)[0].backward()
    grad = model.linear_gaussian.weight.grad
    assert grad is not None
    return grad


def test_it_overfits_a_clip() -> None:
    recipe, model = made(changed(TINY, gaussian_start="grid", query_position="anchored", decoder="per_identity"))
    batch = clips(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for step in range(25):
        loss, parts = recipe(batch, step)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    assert parts.keys() == {"reconstruction"}


def test_in_bfloat16_rendering_stays_float32() -> None:
    recipe, _ = made(TINY)
    exact = recipe(clips(), 0)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rough = recipe(clips(), 0)[0]
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.02, atol=0)


def test_the_scale_of_the_gradient() -> None:
    """If every clip occurs twice, the gradient of "mean" is unchanged, and that of "sum" doubles."""
    once = clips(2)
    twice = Batch(torch.cat([once.video, once.video]), once.seeds * 2)
    for reduction, factor in (("mean", 1), ("sum", 2)):
        config = build(PretrainConfig, {**flatten(TINY), "loss_reduction": reduction}, owner="videogmae")
        torch.testing.assert_close(gradient(config, twice), factor * gradient(config, once), rtol=1e-4, atol=1e-7)


def test_the_encoder_learns_unless_it_is_frozen() -> None:
    def learning(config: PretrainConfig) -> set[str]:
        return {name.partition(".")[0] for name, p in made(config)[1].named_parameters() if p.requires_grad}

    assert "blocks" in learning(TINY)
    frozen = learning(changed(TINY, freeze_encoder=True))
    assert {"patch_embed", "cls_token", "norm", "decoder_blocks", "linear_gaussian"} <= frozen
    assert "blocks" not in frozen


@pytest.mark.parametrize("changes", [{}, {"position": "pos3d"}, {"decoder": "per_identity"}, {"freeze_encoder": True}])
def test_every_parameter_that_may_learn_gets_a_gradient(changes: dict[str, Any]) -> None:
    recipe, model = made(changed(TINY, **changes))
    recipe(clips(), 0)[0].backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_random_choices_for_a_clip_depend_only_on_its_seed() -> None:
    recipe, _ = made(TINY)
    batch = clips(2)
    both = recipe(batch, 0)[0]
    each = [recipe(Batch(batch.video[i : i + 1], batch.seeds[i : i + 1]), 0)[0] for i in range(2)]
    torch.testing.assert_close(both, torch.stack(each).mean())


def test_the_masked_loss_ignores_visible_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    masks: list[Tensor] = []

    def loss_of(image: Tensor, video: Tensor, reduction: str, mask: Tensor) -> Tensor:
        masks.append(mask)
        return image.mean()

    monkeypatch.setattr(pretrain, "reconstruction_loss", loss_of)
    recipe, _ = made(changed(TINY, loss_region="masked"))
    batch = clips(1, frames=2)
    recipe(batch, 0)
    patches = masks[0].view(2, 4, 8, 4, 8).transpose(2, 3).reshape(32, 64)
    shown = draw_order(batch.seeds, total=48, shown=32, kept=16, token_order="identity")[0, :16]
    assert (~patches.any(dim=1)).nonzero().flatten().tolist() == shown.tolist()
    assert patches.sum() == 16 * 64


def test_penalties_are_parts_of_the_loss() -> None:
    recipe, _ = made(changed(TINY, deltas_reg_weight=0.5, smoothness_weight=0.25))
    loss, parts = recipe(clips(), 0)
    assert parts.keys() == {"reconstruction", "displacement", "smoothness"}
    assert parts["displacement"] > 0
    torch.testing.assert_close(loss.detach(), torch.stack(list(parts.values())).sum())


def test_the_paper_keeps_156_of_3136_patches() -> None:
    seen: list[int] = []

    class Peeping(VideoGMAE):
        def decode(self, encoded: Any) -> Tensor:
            seen.append(encoded.latent.shape[1])
            return super().decode(encoded)

    config = build(PretrainConfig, read_toml(configurations()["paper-base"]), owner="videogmae")
    assert (config.network.num_tokens, config.peak_lr) == (3136, 5e-4)
    narrow = changed(config, embed_dim=16, depth=1, num_heads=1, decoder_embed_dim=16, decoder_depth=1)
    narrow = changed(narrow, num_gaussians=1, decoder_num_heads=1, backend="torch")
    batch = Batch(torch.zeros(1, 16, 224, 224, 3, dtype=torch.uint8), (1,))
    recipe = Pretraining(narrow)
    recipe.network = Peeping(narrow.network)
    recipe(batch, 0)
    assert seen == [156]


def configurations() -> dict[str, Path]:
    folder = plugins.beside(plugins.find("methods", SPEC.name), SPEC.configs)
    return {path.stem: path for path in folder.glob("*.toml")}


@pytest.mark.parametrize("name", ["paper-base", "paper-large", "small", "tiny"])
def test_shipped_configurations_are_valid(name: str) -> None:
    config = build(PretrainConfig, read_toml(configurations()[name]), owner="videogmae")
    assert config.steps > 1000
    assert config.at(config.steps - 1) == config.fill(Stage())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_frame": 4}, "Did you mean num_frames"),
        ({"mask_ratio": 1.0}, "mask_ratio"),
        ({"num_frames": 1}, "2 to 1 frames"),
        ({"stages": [{"until": 0.5, "num_frames": 99}]}, "2 to 16 frames"),
        ({"stages": [{"until": 0.5, "frames": 2}]}, "not valid"),
        ({"image_size": 65}, "multiple of patch_size="),
        ({"loss_region": "masked", "mask_ratio": 0.0}, "loss has no pixels"),
        ({"steps": 0}, "at least 1"),
        ({"ema_decay": 1.0}, "ema_decay"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(PretrainConfig, settings, owner="videogmae")


def test_saved_weights_contain_all_settings_for_tracking(tmp_path: Path) -> None:
    recipe, model = made(changed(TINY, rgb_mode="cumulative", residuals="position"))
    recipe.export(tmp_path / "weights.safetensors", {"steps": 3})
    loaded, content = load_model(tmp_path / "weights.safetensors")
    assert loaded.config == TINY.network
    assert content.config["activation"] == vars(recipe.config.activation)
    assert content.config["source"] == {"steps": 3}
    assert "tracking" not in content.config
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())


def test_weights_files_store_the_number_of_tiles(tmp_path: Path) -> None:
    recipe, _ = made(changed(TINY, tiles=2))
    recipe.export(tmp_path / "weights.safetensors", None)
    assert load_model(tmp_path / "weights.safetensors")[1].config["tracking"] == {"tiles": 2}


def test_starting_from_weights_reports_the_loaded_tensors(tmp_path: Path) -> None:
    recipe, given = made(TINY, seed=1)
    recipe.export(tmp_path / "given.safetensors", None)
    longer = changed(TINY, num_frames=4)
    recipe, model = made(longer)
    notes = recipe.init_from(tmp_path / "given.safetensors")
    assert torch.equal(model.blocks[0].attn.qkv.weight, given.blocks[0].attn.qkv.weight)  # type: ignore[union-attr]  # a Block
    assert "taken from given.safetensors (videogmae)" in notes[0]
    assert notes[1] == "new: decoder_pos_embed_gaussian (1)"
    assert notes[2] == "not taken: decoder_pos_embed_gaussian (1)"


def test_starting_from_an_image_encoder(tmp_path: Path) -> None:
    encoder = Encoder(TINY.network)
    save_weights(tmp_path / "mae.safetensors", encoder.state_dict(), "mae-encoder", {"network": TINY.network})
    recipe, model = made(TINY, seed=1)
    notes = recipe.init_from(tmp_path / "mae.safetensors")
    assert torch.equal(model.cls_token, encoder.cls_token)
    assert "decoder_blocks (12)" in notes[1]
    assert notes[2] == "not taken: nothing"


def test_starting_from_unsuitable_weights_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "other.safetensors", {"a": torch.zeros(1)}, "mae-encoder", {})
    recipe, _ = made(TINY)
    with pytest.raises(WeightsError, match="Nothing in"):
        recipe.init_from(tmp_path / "other.safetensors")
    assert load_weights(tmp_path / "other.safetensors", method="videogmae").kind == "mae-encoder"


def test_pictures_and_videos_show_input_and_reconstruction(tmp_path: Path) -> None:
    from PIL import Image

    from vgmae_bench.viz.draw import LABEL_WIDTH

    recipe, _ = made(TINY)
    frames = recipe.pictures(clips(2), tmp_path / "picture")
    kinds = 4  # input, shown, reconstruction, flow
    with Image.open(tmp_path / "picture") as picture:
        assert (picture.format, picture.size) == ("PNG", (LABEL_WIDTH + 2 * 128, 2 * kinds * 128))
    assert [frame.shape for frame in frames] == [(128, kinds * 128, 3)] * 2
