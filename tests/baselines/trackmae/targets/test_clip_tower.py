"""CLIP features as targets, with a tower of a few random weights."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from vgmae_baselines.trackmae.network import Heads
from vgmae_baselines.trackmae.pretrain import PretrainConfig, Pretraining
from vgmae_baselines.trackmae.targets.clip_tower import CLIP_MEAN, CLIP_STD, ClipTower

from tests.baselines.trackmae.sliding import NETWORK, Sliding, batch
from tests.shared.configured import changed, configured
from vgmae_bench.errors import PluginError, WeightsError

WIDTH = 20
CPU = torch.device("cpu")


def save_tower(folder: Path, image_size: int = 32, patch_size: int = 8) -> str:
    transformers = pytest.importorskip("transformers", reason="the extra clip is not installed")
    torch.manual_seed(0)
    config = transformers.CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=image_size,
        patch_size=patch_size,
    )
    transformers.CLIPVisionModel(config).save_pretrained(folder)
    return str(folder)


def video() -> torch.Tensor:
    return torch.rand(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))


def test_features_are_those_of_the_patches_of_every_other_frame(tmp_path: Path) -> None:
    import transformers

    source = save_tower(tmp_path)
    targets = ClipTower(source, "clip", CPU).targets(video(), NETWORK)
    assert targets.shape == (2, NETWORK.num_tokens, WIDTH)
    torch.testing.assert_close(targets.mean(dim=1), torch.zeros(2, WIDTH), atol=1e-5, rtol=0)
    torch.testing.assert_close(targets.std(dim=1), torch.ones(2, WIDTH), atol=1e-4, rtol=0)

    model = transformers.CLIPVisionModel.from_pretrained(source)
    tower = getattr(model, "vision_model", model)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    frames = [tower(pixel_values=(video()[1:, :, t] - mean) / std) for t in (0, 2, 4, 6)]
    raw = torch.cat([tower.post_layernorm(frame.last_hidden_state[0, 1:]) for frame in frames]).detach()
    torch.testing.assert_close(targets[1], (raw - raw.mean(dim=0)) / raw.std(dim=0), atol=1e-3, rtol=0)


def test_patches_of_another_size_are_interpolated(tmp_path: Path) -> None:
    source = save_tower(tmp_path, image_size=40, patch_size=8)  # 5 × 5 patches for 4 × 4 tokens
    targets = ClipTower(source, "clip", CPU).targets(video(), NETWORK)
    assert targets.shape == (2, NETWORK.num_tokens, WIDTH)
    larger = F.interpolate(video().transpose(1, 2).flatten(0, 1), (40, 40), mode="bicubic", antialias=True)
    larger = larger.clamp(0, 1).unflatten(0, (2, 8)).transpose(1, 2)
    torch.testing.assert_close(ClipTower(source, "clip", CPU).targets(larger, NETWORK), targets)


def test_inputs_are_normalised_with_the_image_statistics(tmp_path: Path) -> None:
    source = save_tower(tmp_path)
    clip, imagenet = (ClipTower(source, name, CPU).targets(video(), NETWORK) for name in ("clip", "imagenet"))
    assert not torch.allclose(clip, imagenet, atol=1e-2)


def config(source: str) -> PretrainConfig:
    settings = {"spatial_target": "clip", "clip_model": source, "motion_weight": 0.25, "mask_ratio": 0.7}
    return configured(PretrainConfig, **vars(NETWORK), **settings)


def test_training_does_not_change_the_clip_tower(tmp_path: Path) -> None:
    recipe = Pretraining(config(save_tower(tmp_path)), Sliding((1, 0)))
    torch.manual_seed(0)
    model = recipe.network
    assert model.heads == Heads(WIDTH, 8)
    assert not any("post_layernorm" in name for name in model.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for step in range(30):
        loss, parts = recipe(batch((1, 0), (step,)), step)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(parts["spatial"].item())
    assert losses[-1] < 0.7 * losses[0]
    recipe.pictures(batch((1, 0)), tmp_path / "picture.png")


def test_missing_weights_are_an_error_of_one_line(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra clip is not installed")
    with pytest.raises(WeightsError, match="There is no CLIP tower") as error:
        Pretraining(config(str(tmp_path / "nowhere")))
    assert "clip_model" in error.value.try_ and str(error.value).count("\n") == 1
    source = save_tower(tmp_path / "tower")
    (tmp_path / "tower" / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="There is no CLIP tower"):
        ClipTower(source, "clip", CPU)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra clip is not installed")
    source = save_tower(tmp_path)
    deeper = transformers.CLIPVisionConfig.from_pretrained(source)
    deeper.num_hidden_layers = 3
    deeper.save_pretrained(source)
    with pytest.raises(WeightsError, match="not a whole CLIP vision tower"):
        ClipTower(source, "clip", CPU)


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(PluginError, match="need transformers") as error:
        Pretraining(config("openai/clip-vit-base-patch16"))
    assert "vgmae-bench[clip]" in error.value.try_
    Pretraining(changed(config("unused"), spatial_target="pixel"))
