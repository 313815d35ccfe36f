"""The recipe: its targets, its random choices, and its configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from vgmae_baselines.trackmae import SPEC, VIDEOMAE
from vgmae_baselines.trackmae.checkpoint import CLASSIFIER, load_model
from vgmae_baselines.trackmae.network import SIZES, Classifier, NetworkConfig, TrackMAE, split
from vgmae_baselines.trackmae.pretrain import PretrainConfig, Pretraining, VideoMAEConfig, VideoMAEPretraining
from vgmae_baselines.trackmae.targets.motion import CHANNELS, Norm
from vgmae_baselines.trackmae.tracker import TrackMAETracker

from tests.baselines.trackmae.sliding import ENCODER, NETWORK, Sliding, batch
from tests.shared.configured import changed, configured
from vgmae_bench import plugins
from vgmae_bench.config import build, read_toml
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.weights_file import save_weights
from vgmae_bench.training.clips.sources import open_clips
from vgmae_bench.training.loop import Job, train
from vgmae_bench.training.recipe import Batch

TINY = configured(PretrainConfig, **vars(NETWORK), mask_ratio=0.7)


def made(config: PretrainConfig = TINY, velocity: tuple[int, int] = (1, 1)) -> tuple[Pretraining, TrackMAE]:
    recipe = Pretraining(config, Sliding(velocity))
    return recipe, recipe.network


@pytest.mark.parametrize("target", ["pixel", "none"])
def test_it_learns(target: str) -> None:
    recipe, model = made(changed(TINY, spatial_target=target))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history: list[dict[str, Tensor]] = []
    for step in range(60):
        loss, parts = recipe(batch((1, 1), (2 * step, 2 * step + 1)), step)
        assert loss.item() == pytest.approx(sum(part.item() for part in parts.values()), rel=1e-5)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        history.append(parts)
    assert history[0].keys() == {"motion"} | ({"spatial"} if target == "pixel" else set())
    for name, first in history[0].items():
        assert history[-1][name] < 0.8 * first, name


def test_random_choices_for_a_clip_depend_only_on_its_seed() -> None:
    recipe, _ = made(changed(TINY, ratio_motion=(0.1, 0.9)))
    video = open_clips(["synth"], seed=0, workers=0).batch(range(3), recipe.shape(0), "cpu").video
    both = recipe(Batch(video, (5, 6, 7)), 0)[0]
    each = [recipe(Batch(video[i : i + 1], (5 + i,)), 0)[0] for i in range(3)]
    torch.testing.assert_close(both, torch.stack(each).mean())
    assert recipe(Batch(video, (8, 6, 7)), 0)[0] != both


def test_masks_are_whole_tubes_with_the_configured_share_of_motion() -> None:
    recipe, _ = made()
    seeds = tuple(range(50))
    tracks = recipe.tracks_per_tubelet(batch((1, 1), seeds))
    assert tracks is not None and tracks.xy.shape == (50, 64, 4, 2)
    xy = tracks.xy.clone()
    fast = torch.zeros(8, 8, dtype=torch.bool)
    fast[:4] = True  # the upper half moves
    xy[:, ~fast.flatten()] = 0
    moving = tracks._replace(xy=xy)
    for share, upper in (((0.5, 0.5), {2}), ((1.0, 1.0), {5}), ((0.0, 0.0), {0}), ((0.2, 0.99), {1, 2, 3, 4})):
        some = Pretraining(changed(TINY, ratio_motion=share), Sliding((1, 1)))
        masks = some.masks(seeds, moving).view(50, 4, 4, 4)
        assert (masks == masks[:, :1]).all()
        assert ((~masks[:, 0]).sum(dim=(1, 2)) == 5).all()
        assert {int(count) for count in (~masks[:, 0, :2]).sum(dim=(1, 2))} == upper
    random = Pretraining(changed(TINY, mask_type="random"), Sliding((1, 1))).masks(seeds, moving).view(50, 4, 4, 4)
    assert len({int(count) for count in (~random[:, 0, :2]).sum(dim=(1, 2))}) > 2


def test_the_teacher_runs_only_if_tracks_are_needed() -> None:
    recipe = VideoMAEPretraining(configured(VideoMAEConfig, **vars(NETWORK), mask_ratio=0.7))
    assert recipe.tracks_per_tubelet(batch((1, 1))) is None
    model = recipe.network
    assert not hasattr(model, "tracker_decoder")
    assert recipe(batch((1, 1)), 0)[1].keys() == {"spatial"}
    assert recipe.tracker("cpu") is None
    with pytest.raises(UsageError, match="VideoMAE does not learn motion"):
        VideoMAEConfig(motion_weight=1)
    masked = Pretraining(changed(TINY, motion_weight=0.0), Sliding((1, 1)))  # a teacher for masks alone
    assert masked.tracks_per_tubelet(batch((1, 1))) is not None
    assert masked(batch((1, 1)), 0).parts.keys() == {"spatial"}


def test_the_named_teacher_is_opened() -> None:
    """Exact tracks of synthetic clips and those of optical flow are similar."""
    clips = open_clips(["synth"], seed=0, workers=0)
    found = []
    for teacher in ("ground-truth", "lucas-kanade"):
        recipe = Pretraining(changed(TINY, teacher=teacher, cache_tracks=False))
        tracks = recipe.tracks_per_tubelet(clips.batch(range(2), recipe.shape(0), "cpu"))
        assert tracks is not None and tracks.xy.shape == (2, 64, 4, 2)
        found.append(tracks.xy)
    assert (found[0] - found[1]).norm(dim=-1).median() < 1


@pytest.mark.parametrize("norm", CHANNELS)
@pytest.mark.parametrize("upsampled", [False, True])
def test_every_target_is_learned_and_drawn(norm: Norm, upsampled: bool, tmp_path: Path) -> None:
    recipe, _ = made(changed(TINY, motion_norm=norm, upsample_tracks=upsampled))
    loss, _ = recipe(batch((1, 1), (1, 2)), 0)
    assert torch.isfinite(loss)
    recipe.pictures(batch((1, 1), (1, 2)), tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as image:
        assert image.size == (4 * 128, 2 * 4 * 128)  # four tubelets; four rows for each of two clips
    tracker = recipe.tracker("cpu")
    assert (tracker is None) == (norm == "patch")
    assert tracker is None or isinstance(tracker, TrackMAETracker)


def test_hidden_points_do_not_enter_the_loss() -> None:
    """Points leave this clip. Their later targets do not change the loss, unless the weighting is off."""

    class Lying(Sliding):
        def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> Any:
            true = super().tracks(video, numbers, grid)
            return true._replace(xy=torch.where(true.visible[..., None], true.xy, true.xy + 99))

    for weighted in (True, False):
        config = changed(TINY, mask_type="random", motion_visibility_weight=weighted)
        honest, lying = (
            Pretraining(config, teacher((3, 0)))(batch((3, 0)), 0).parts["motion"] for teacher in (Sliding, Lying)
        )
        assert torch.equal(honest, lying) == weighted


def test_motion_is_learned_of_masked_tokens_or_of_all() -> None:
    """The targets of points in visible tubes matter only if the motion of all tokens is learned."""

    class Lying(Sliding):
        def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> Any:
            true, tubes = super().tracks(video, numbers, grid), NETWORK.grid
            hidden = Pretraining(config).masks(numbers, None)[:, : tubes**2].view(-1, tubes, tubes)
            shown = ~hidden.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2).flatten(1)
            return true._replace(xy=true.xy + 9 * torch.arange(8.0)[:, None] * shown[..., None, None])

    for tokens in ("masked", "all"):
        config = changed(TINY, mask_type="random", motion_tokens=tokens)
        honest, lying = (
            Pretraining(config, teacher((1, 0)))(batch((1, 0)), 0).parts["motion"] for teacher in (Sliding, Lying)
        )
        assert torch.equal(honest, lying) == (tokens == "masked")


def test_weights_start_another_training(tmp_path: Path) -> None:
    recipe, model = made()
    nn.init.constant_(model.mask_token, 3)
    recipe.export(tmp_path / "w.safetensors", None)
    other = Pretraining(changed(TINY, motion_norm="patch+mean"), Sliding((1, 1)))
    new = other.network
    notes = other.init_from(tmp_path / "w.safetensors")
    assert torch.equal(new.mask_token, model.mask_token)
    assert notes[1] == "new: tracker_decoder (2)" and notes[2].startswith("not taken: ")

    classifier = Classifier(ENCODER, 3)
    save_weights(tmp_path / "c.safetensors", classifier.state_dict(), CLASSIFIER, {"network": ENCODER, "classes": 3})
    other.init_from(tmp_path / "c.safetensors")
    assert torch.equal(new.encoder.blocks[1].mlp.fc2.weight, classifier.blocks[1].mlp.fc2.weight)
    wide = Pretraining(changed(TINY, embed_dim=24, decoder_embed_dim=16))
    with pytest.raises(WeightsError, match="Nothing in"):
        wide.init_from(tmp_path / "c.safetensors")


@pytest.mark.parametrize("spec", [SPEC, VIDEOMAE], ids=lambda spec: spec.name)
def test_shipped_configurations_are_valid(spec: plugins.MethodSpec) -> None:
    plugin = plugins.find("methods", spec.name)
    recipe_class = plugins.load_reference(plugin, spec.trainer)
    config_class = VideoMAEConfig if spec is VIDEOMAE else PretrainConfig
    assert get_type_hints(recipe_class.__init__)["config"] is config_class
    paths = sorted(
        path for path in plugins.beside(plugin, spec.configs).glob("*.toml") if not path.stem.startswith("finetune-")
    )
    assert {"tiny", "small"} < {path.stem for path in paths}
    for path in paths:
        config = build(config_class, read_toml(path), owner=spec.name)
        size = path.stem.split("-")[1] if path.stem.startswith("paper") else path.stem
        if size != "small" or path.stem.startswith("paper"):
            names = [name for name in vars(SIZES[size]) if spec is SPEC or name != "motion_decoder_depth"]
            assert {n: getattr(config.network, n) for n in names} == {n: getattr(SIZES[size], n) for n in names}, (
                path.stem
            )
        if path.stem.startswith("paper"):
            assert config.targets.upsample_tracks or spec is VIDEOMAE
            assert config.peak_lr == pytest.approx(config.data.batch_size / 256 * 1.5e-4)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"spatial_target": "none", "motion_weight": 0}, "nothing to learn"),
        ({"ratio_motion": (0.6, 0.4)}, "ratio_motion"),
        ({"mask_ratio": 0.3, "ratio_motion": (0.5, 0.9)}, "needs more tubes of one half than it has"),
        ({"mask_ratio": 0.3, "ratio_motion": (0.1, 0.5)}, "1 that move most and 11 others, of 16"),
        ({"mask_ratio": 0.05}, "hides none"),
        ({"mask_ratio": 1.0}, "mask_ratio"),
        ({"num_frames": 2}, "two tubelets"),
        ({"motion_weight": -1}, "motion_weight"),
        ({"steps": 0}, "steps"),
        ({"motion_var_floor": -1}, "motion_var_floor"),
    ],
)
def test_inconsistent_settings_are_usage_errors(change: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        changed(TINY, **change)


def test_a_training_from_end_to_end(tmp_path: Path) -> None:
    settings = {
        **vars(NETWORK),
        "steps": 6,
        "batch_size": 2,
        "workers": 0,
        "mask_ratio": 0.7,
        "teacher": "ground-truth",
        "validate_clips": 1,
        "validate_every": 0,
        "picture_every": 0,
        "checkpoint_every": 0,
    }
    recipe = Pretraining(build(PretrainConfig, settings, owner="trackmae"))
    out = tmp_path / "out"
    last = train(Job("trackmae", recipe, open_clips(["synth"], seed=0, workers=0), out, "cpu"))
    assert last["step"] == 6 and last["delta_avg"] is not None
    model = load_model(out / "weights.safetensors")
    assert model.trained == recipe.config.targets
    assert isinstance(model.network, TrackMAE) and isinstance(model.network.config, NetworkConfig)
    assert split(recipe.masks((1,), None), NETWORK.num_tokens)[0].shape == (1, 20)
