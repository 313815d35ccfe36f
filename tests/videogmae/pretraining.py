"""A small pretraining of Video-GMAE, and clips for it."""

from __future__ import annotations

from tests.shared.configured import changed, configured
from vgmae_bench.training.clips.sources import open_clips
from vgmae_bench.training.recipe import Batch
from vgmae_bench.videogmae.network import VideoGMAE
from vgmae_bench.videogmae.pretrain import PretrainConfig, Pretraining

TINY = configured(
    PretrainConfig,
    image_size=32,
    patch_size=8,
    num_frames=3,
    num_gaussians=16,
    embed_dim=16,
    depth=2,
    num_heads=2,
    decoder_embed_dim=16,
    decoder_depth=1,
    decoder_num_heads=2,
    mask_ratio=0.5,
    backend="torch",
)


def clips(count: int = 2, frames: int = 3) -> Batch:
    shape = Pretraining(TINY).shape(0)._replace(frames=frames)
    return open_clips(["synth"], seed=0, workers=0).batch(range(count), shape, "cpu")


def made(config: PretrainConfig, seed: int = 0) -> tuple[Pretraining, VideoGMAE]:
    recipe = Pretraining(changed(config, seed=seed))
    return recipe, recipe.network
