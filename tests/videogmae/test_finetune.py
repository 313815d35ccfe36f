"""The readout's recipe: trained parameters, exported weights, and learning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.shared.configured import configured
from tests.videogmae.test_network import SMALL, small
from vgmae_bench.config import build, read_toml
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.readout import OFFICIAL
from vgmae_bench.models.readout_recipe import FinetuneConfig, ReadoutRecipe
from vgmae_bench.models.weights_file import load_weights, save_weights
from vgmae_bench.training.clips.tracks import SynthTracks, TrackBatch
from vgmae_bench.types import Queries
from vgmae_bench.videogmae import finetune
from vgmae_bench.videogmae.checkpoint import load_model
from vgmae_bench.videogmae.finetune import finetuning
from vgmae_bench.videogmae.network import Encoder
from vgmae_bench.videogmae.readout import ReadoutTracker
from vgmae_bench.videogmae.tracker import VideoGMAEConfig, VideoGMAETracker

CONFIGS = sorted((Path(finetune.__file__).parent / "configs").glob("finetune-*.toml"))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A pretrained network of frames of 16 x 16."""
    path = tmp_path / "encoder.safetensors"
    save_weights(path, small().state_dict(), "videogmae", {"network": SMALL})
    return path


def recipe(weights: Path, **settings: Any) -> ReadoutRecipe[ReadoutTracker]:
    return finetuning(configured(FinetuneConfig, **{"readout_heads": 4, "points": 6, **settings}), weights)


def made(recipe: ReadoutRecipe[ReadoutTracker], weights: Path) -> ReadoutTracker:
    recipe.init_from(weights)
    return recipe.network


def batch(count: int = 2, seed: int = 0) -> TrackBatch:
    """Clips of noise. Points move by one pixel per frame and are hidden in the last frame."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand(count, 6, 1, 2, generator=generator) * 0.6 + 0.1
    occluded = torch.zeros(count, 6, 3, dtype=torch.bool)
    occluded[:, :, 2] = True
    return TrackBatch(
        video=torch.randint(0, 256, (count, 3, 16, 16, 3), dtype=torch.uint8, generator=generator),
        xy=first + torch.arange(3)[:, None] / 16,
        occluded=occluded,
        valid=torch.ones(count, 6, dtype=torch.bool),
        seeds=tuple(range(count)),
    )


def trainable(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_with_a_frozen_encoder_only_the_readout_changes(weights: Path) -> None:
    model = made(recipe(weights, freeze_scope="all"), weights)
    assert trainable(model) == {name for name, _ in model.named_parameters() if name.startswith("readout.")}


def test_the_official_freezing_leaves_patches_class_token_and_last_norm(weights: Path) -> None:
    model = made(recipe(weights, freeze_scope="blocks"), weights)
    outside = {name for name in trainable(model) if not name.startswith("readout.")}
    assert outside == {"patch_embed.proj.weight", "patch_embed.proj.bias", "cls_token", "norm.weight", "norm.bias"}


def test_full_fine_tuning_trains_everything_and_so_does_pretraining(weights: Path) -> None:
    model = made(recipe(weights, freeze_scope="none"), weights)
    assert trainable(model) == {name for name, _ in model.named_parameters()}
    assert {name for name in trainable(small()) if name.startswith("blocks.")} == {
        name for name, _ in small().named_parameters() if name.startswith("blocks.")
    }


@pytest.mark.parametrize("scope", ["all", "blocks", "none"])
def test_a_step_changes_what_is_trained_and_nothing_else(weights: Path, scope: str) -> None:
    the_recipe = recipe(weights, freeze_scope=scope)
    model = made(the_recipe, weights)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    learned = trainable(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    the_recipe(batch(), 0)[0].backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == learned


def test_fine_tuning_starts_from_an_encoder_or_an_earlier_readout(weights: Path, tmp_path: Path) -> None:
    first = recipe(weights)
    model = made(first, weights)
    given = load_weights(weights, method="videogmae").tensors
    assert all(torch.equal(p, given[n]) for n, p in model.named_parameters() if not n.startswith("readout."))
    first.export(tmp_path / "out.safetensors", {"run": 1})
    for settings, same in (({}, True), ({"readout_heads": 2}, False)):
        again = recipe(tmp_path / "out.safetensors", seed=1, **settings)
        notes = again.init_from(tmp_path / "out.safetensors")
        codes = again.network.readout.query_temporal_embed
        assert torch.equal(codes, model.readout.query_temporal_embed) == same
        assert ("new: readout" in notes) is not same


@torch.no_grad()
def test_its_weights_track(weights: Path, tmp_path: Path) -> None:
    """`run --weights` loads them and gives the tracks of the model in training."""
    the_recipe = recipe(weights)
    made(the_recipe, weights).eval()
    the_recipe.export(tmp_path / "out.safetensors", None)
    loaded, content = load_model(tmp_path / "out.safetensors")
    assert isinstance(loaded, ReadoutTracker) and content.kind == "videogmae-readout"
    data = batch(1)
    positions, _ = the_recipe.answer(data)
    queries = Queries(np.zeros(6, dtype=np.int64), (data.xy[0, :, 0] * 16).numpy())
    for tracker in (
        VideoGMAETracker(VideoGMAEConfig(), tmp_path / "out.safetensors", "cpu", seed=0),
        the_recipe.tracker("cpu"),
    ):
        tracks = tracker.track(data.video[0].numpy(), queries)
        np.testing.assert_allclose(tracks.xy[:, 1:], positions[0, :, 1:] * 16, atol=1e-3)


def test_an_image_encoder_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "mae.safetensors"
    save_weights(path, Encoder(SMALL).state_dict(), "mae-encoder", {"network": SMALL})
    assert isinstance(made(recipe(path), path), ReadoutTracker)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "other", {"a": torch.zeros(1)}, "gmrw", {"network": {}})
    with pytest.raises(WeightsError, match="gmrw"):
        recipe(tmp_path / "other")
    save_weights(tmp_path / "half", {"norm.weight": torch.zeros(32)}, "videogmae", {"network": SMALL})
    with pytest.raises(WeightsError, match="lacks"):
        made(recipe(tmp_path / "half"), tmp_path / "half")


def test_a_readout_that_does_not_fit_is_refused(weights: Path) -> None:
    with pytest.raises(UsageError, match="heads"):
        recipe(weights, readout_heads=5)
    with pytest.raises(UsageError, match="fourier_features"):
        FinetuneConfig(fourier_features=3)
    with pytest.raises(UsageError, match="points"):
        configured(FinetuneConfig, points=0)


def test_it_overfits_two_clips(weights: Path) -> None:
    the_recipe = recipe(weights, freeze_scope="none")
    model = made(the_recipe, weights)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for step in range(25):
        loss, parts = the_recipe(batch(), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        assert set(parts) == {"position", "occlusion"} and not any(part.requires_grad for part in parts.values())
    assert losses[-1] < 0.3 * losses[0]


def test_shuffling_is_by_clip_and_repeats(weights: Path) -> None:
    """Without dropout, the loss of a clip depends on its seed, but not on the other clips of the batch."""
    the_recipe = recipe(weights, token_order="shuffled", readout_unshuffle=False)
    model = made(the_recipe, weights).eval()
    nn.init.normal_(model.readout.enc_temporal_embed)
    data = batch()
    positions = the_recipe.answer(data)[0]
    second = TrackBatch(*(part[1:] for part in data))
    torch.testing.assert_close(the_recipe.answer(second)[0], positions[1:])
    other = second._replace(seeds=(7,))
    assert not torch.allclose(the_recipe.answer(other)[0], positions[1:], atol=1e-6)


def test_half_precision(weights: Path) -> None:
    the_recipe = recipe(weights, precision="bf16")
    made(the_recipe, weights).eval()
    exact, _ = the_recipe(batch(), 0)
    with torch.autocast("cpu", torch.bfloat16):
        rough, _ = the_recipe(batch(), 0)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0)


def test_pictures_show_true_tracks_above_predictions(weights: Path, tmp_path: Path) -> None:
    the_recipe = recipe(weights)
    model = made(the_recipe, weights).train()
    the_recipe.pictures(batch(), tmp_path / "picture")
    with Image.open(tmp_path / "picture") as picture:
        assert picture.size == (3 * 192, 2 * 2 * 192)
    assert model.training


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations(path: Path) -> None:
    config = build(FinetuneConfig, read_toml(path), owner="videogmae")
    if path.stem == "finetune-official":
        assert config.readout == OFFICIAL
    if path.stem == "finetune-paper":
        assert (config.steps, config.data.batch_size, config.optimiser.lr, config.readout.heads) == (
            50_000,
            8,
            1e-4,
            16,
        )
    assert {"finetune-official", "finetune-paper", "finetune-tiny"} < {path.stem for path in CONFIGS}


def test_synthetic_clips_fit_the_recipe(tmp_path: Path) -> None:
    config = replace(SMALL, image_size=32)
    path = tmp_path / "encoder.safetensors"
    save_weights(path, Encoder(config).state_dict(), "videogmae", {"network": config})
    the_recipe = recipe(path)
    clips = SynthTracks(0, 6).batch(range(2), the_recipe.shape(0), "cpu")
    loss, _ = the_recipe(clips, 0)
    assert torch.isfinite(loss)
