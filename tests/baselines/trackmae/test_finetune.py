"""Video-GMAE's readout on TrackMAE's and VideoMAE's encoder: loaded weights, trained parameters, exported weights, learning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from vgmae_baselines.trackmae import SPEC, VIDEOMAE
from vgmae_baselines.trackmae.checkpoint import CLASSIFIER, Trained, load_model, save_model
from vgmae_baselines.trackmae.finetune import finetuning
from vgmae_baselines.trackmae.network import SIZES, Classifier, Heads, TrackMAE
from vgmae_baselines.trackmae.readout import ReadoutTracker
from vgmae_baselines.trackmae.tracker import TrackMAEConfig, TrackMAETracker, VideoMAETracker

from tests.baselines.trackmae.sliding import ENCODER, NETWORK, clip
from tests.shared.configured import configured
from vgmae_bench import plugins
from vgmae_bench.config import build, read_toml
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.readout_recipe import FinetuneConfig, ReadoutRecipe
from vgmae_bench.models.weights_file import save_weights
from vgmae_bench.training.clips.tracks import SynthTracks, TrackBatch
from vgmae_bench.types import Queries
from vgmae_bench.videogmae import SPEC as VIDEOGMAE


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A pretrained network of 8 frames of 32 x 32 in tubelets of 2."""
    path = tmp_path / "encoder.safetensors"
    torch.manual_seed(1)
    save_model(path, TrackMAE(NETWORK, Heads(NETWORK.patch_values, 8)), Trained(), None)
    return path


def recipe(weights: Path | None, **settings: Any) -> ReadoutRecipe[ReadoutTracker]:
    return finetuning(configured(FinetuneConfig, **{"readout_heads": 4, "points": 12, **settings}), weights)


def made(recipe: ReadoutRecipe[ReadoutTracker], weights: Path | None) -> ReadoutTracker:
    if weights is not None:
        recipe.init_from(weights)
    return recipe.network


def sliding(velocity: tuple[int, int] = (1, 0), points: int = 12, frames: int = 8) -> TrackBatch:
    """A clip that slides as a whole."""
    start = torch.rand(1, points, 1, 2, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.1
    xy = start + torch.arange(frames)[:, None] * torch.tensor(velocity) / NETWORK.image_size
    video = torch.cat([clip(velocity), clip(velocity)])[None, :frames]
    return TrackBatch(video, xy, torch.zeros(1, points, frames).bool(), torch.ones(1, points).bool(), (0,))


@pytest.mark.parametrize(("scope", "learns"), [("all", set()), ("none", {"encoder"}), ("blocks", {"encoder"})])
def test_frozen_and_fine_tuned(weights: Path, scope: str, learns: set[str]) -> None:
    the_recipe = recipe(weights, freeze_scope=scope)
    model = made(the_recipe, weights)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    the_recipe(sliding(), 0)[0].backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in changed} == {"readout"} | learns
    assert any(".blocks." in name for name in changed) == (scope == "none")


def test_the_encoder_has_the_weights_of_the_file(weights: Path) -> None:
    model, given = made(recipe(weights), weights), load_model(weights).encoder.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in model.encoder.state_dict().items())


def test_a_classifiers_encoder_gets_a_plain_norm(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    network = Classifier(ENCODER, 3)
    save_weights(path, network.state_dict(), CLASSIFIER, {"network": ENCODER, "classes": 3})
    model = made(recipe(path), path)
    video = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.encoder(video), model.encoder.norm(network(video)))
    assert (model.encoder.norm.weight == 1).all() and (model.encoder.norm.bias == 0).all()


def test_a_random_encoder_is_a_named_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", NETWORK)
    one, same = (made(recipe(None), None) for _ in range(2))
    assert one.encoder.config == ENCODER
    assert torch.equal(one.encoder.blocks[0].attn.qkv.weight, same.encoder.blocks[0].attn.qkv.weight)
    with pytest.raises(UsageError, match="Did you mean small"):
        recipe(None, size="smal")


def test_an_earlier_readout_is_loaded_again(weights: Path, tmp_path: Path) -> None:
    first, out = recipe(weights), tmp_path / "out.safetensors"
    made(first, weights)
    first.export(out, {"run": 1})
    for settings, note in (({}, "encoder and readout"), ({"readout_heads": 2}, "new: readout")):
        again = recipe(out, **settings)
        assert note in " ".join(again.init_from(out))


@torch.no_grad()
@pytest.mark.parametrize("windows", [1, 2])
def test_its_weights_track_clips_of_any_length_and_size(weights: Path, tmp_path: Path, windows: int) -> None:
    """By default, `run --weights` uses the readout. It gives the tracks of the model in training."""
    the_recipe, out = recipe(weights, readout_windows=windows), tmp_path / "out.safetensors"
    made(the_recipe, weights).eval()
    the_recipe.export(out, None)
    data = sliding(frames=8 * windows)
    positions, _ = the_recipe.answer(data)
    queries = Queries(np.zeros(12, dtype=np.int64), (data.xy[0, :, 0] * 32).numpy())
    for tracker in (TrackMAETracker(TrackMAEConfig(), out, "cpu", 0), VideoMAETracker(TrackMAEConfig(), out, "cpu", 0)):
        tracks = tracker.track(data.video[0].numpy(), queries)
        np.testing.assert_allclose(tracks.xy[:, 1:], positions[0, :, 1:] * 32, atol=1e-3)
        longer = tracker.track(np.zeros((21, 40, 60, 3), np.uint8), Queries(np.array([0, 3, 20]), np.full((3, 2), 9.0)))
        assert longer.xy.shape == (3, 21, 2) and np.isfinite(longer.xy).all()
    assert the_recipe.tracker("cpu").track(data.video[0].numpy(), queries).xy.shape == tracks.xy.shape
    features = TrackMAETracker(configured(TrackMAEConfig, readout="features", calibration_clips=0), out, "cpu", 0)
    assert not np.allclose(features.track(data.video[0].numpy(), queries).xy, tracks.xy, atol=1)


def test_a_readout_on_a_frozen_encoder_learns_the_motion_of_one_clip(weights: Path) -> None:
    settings = {"readout_predict": "displacement", "readout_query_feature": "first", "lr": 3e-3}
    the_recipe = recipe(weights, **settings)
    model, data = made(the_recipe, weights), sliding((2, -1))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    for step in range(60):
        loss, _ = the_recipe(data, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        positions, occlusion = the_recipe.answer(data)
    moved = (positions[:, :, -1] - positions[:, :, 0]).mean(dim=(0, 1)) * NETWORK.image_size
    assert moved.tolist() == pytest.approx([14, -7], abs=1.5)
    assert ((positions - data.xy).norm(dim=-1) * NETWORK.image_size).mean() < 1.5 and (occlusion < 0.2).all()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "other", {"a": torch.zeros(1)}, "gmrw", {"network": {}})
    with pytest.raises(WeightsError, match="gmrw"):
        recipe(tmp_path / "other")
    with pytest.raises(UsageError, match="huber_delta"):
        FinetuneConfig(huber_delta=0)


def test_synthetic_clips_fit_the_recipe(weights: Path) -> None:
    the_recipe = recipe(weights)
    data = SynthTracks(0, 6).batch(range(2), the_recipe.shape(0), "cpu")
    assert torch.isfinite(the_recipe(data, 0).total)


def shipped(spec: plugins.MethodSpec, name: str) -> FinetuneConfig:
    plugin = plugins.find("methods", spec.name)
    return build(FinetuneConfig, read_toml(plugins.beside(plugin, spec.configs) / f"{name}.toml"), owner=spec.name)


@pytest.mark.parametrize("spec", [SPEC, VIDEOMAE], ids=lambda spec: spec.name)
def test_the_table_is_fair(spec: plugins.MethodSpec) -> None:
    """All encoders have the same steps, clips and readout. An encoder of 8 frames reads the clips without gaps."""
    ours, theirs = shipped(spec, "finetune-tiny"), shipped(VIDEOGMAE, "finetune-tiny")
    assert (ours.data.stride, theirs.data.stride) == (1, 2)
    assert replace(ours, data=replace(ours.data, stride=2)) == theirs
    assert shipped(spec, "finetune-paper") == shipped(VIDEOGMAE, "finetune-paper")
