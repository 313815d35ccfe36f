"""The configurations for a GPU, at small size on a CPU. All settings except the sizes are theirs."""

from __future__ import annotations

import pytest
import torch

from tests.shared.configured import changed
from vgmae_bench import plugins
from vgmae_bench.config import build, read_toml
from vgmae_bench.training.clips.sources import open_clips
from vgmae_bench.videogmae import SPEC
from vgmae_bench.videogmae.pretrain import PretrainConfig, Pretraining

SMALLER = {
    "image_size": 32,
    "patch_size": 8,
    "num_gaussians": 16,
    "embed_dim": 16,
    "depth": 1,
    "num_heads": 2,
    "decoder_embed_dim": 16,
    "decoder_depth": 1,
    "decoder_num_heads": 2,
    "backend": "torch",
}


def recipe_of(name: str) -> PretrainConfig:
    path = plugins.beside(plugins.find("methods", SPEC.name), SPEC.configs) / f"{name}.toml"
    return build(PretrainConfig, read_toml(path), owner="videogmae")


@pytest.mark.parametrize("name", ["paper-base", "paper-base+", "small"])
def test_every_stage_of_a_recipe_for_a_gpu_trains_on_a_cpu(name: str) -> None:
    config = changed(recipe_of(name), **SMALLER)
    recipe = Pretraining(config)
    lengths = []
    for share in [0.0, *(stage.until for stage in config.curriculum.stages)]:
        step = round(share * config.steps)
        shape = recipe.shape(step)
        lengths.append(shape.frames)
        batch = open_clips(["synth"], seed=0, workers=0).batch(range(2), shape, "cpu")
        losses = recipe(batch, step)
        recipe.zero_grad()
        losses.total.backward()
        grads = {name: p.grad for name, p in recipe.network.named_parameters() if p.grad is not None}
        assert all(torch.isfinite(grad).all() for grad in grads.values())
        moving = "linear_motion.weight" if config.network.decoder == "per_identity" else "linear_gaussian.weight"
        assert grads[moving].abs().sum() > 0
    assert lengths[-1] == config.network.num_frames
    assert lengths == sorted(lengths)


def test_paper_base_plus_differs_from_paper_base_only_as_documented() -> None:
    plain, plus = recipe_of("paper-base"), recipe_of("paper-base+")
    for name in ["steps", "optimiser", "data", "precision", "composite", "loss_reduction", "loss_region"]:
        assert getattr(plus, name) == getattr(plain, name)
    assert plus.curriculum.mask_ratio == plain.curriculum.mask_ratio
    for name in ["image_size", "patch_size", "num_frames", "num_gaussians", "embed_dim", "depth", "decoder_depth"]:
        assert getattr(plus.network, name) == getattr(plain.network, name)
