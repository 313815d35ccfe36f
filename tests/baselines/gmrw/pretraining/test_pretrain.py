from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from vgmae_baselines.gmrw import SPEC
from vgmae_baselines.gmrw.checkpoint import Inference, load_model
from vgmae_baselines.gmrw.network import GMRW
from vgmae_baselines.gmrw.pretraining.pretrain import PretrainConfig, Pretraining, follow, transitions
from vgmae_baselines.gmrw.tracker import GMRWTracker

from tests.shared.configured import changed, configured
from vgmae_bench import plugins
from vgmae_bench.config import build, read_toml
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.training.clips.sources import open_clips
from vgmae_bench.training.folder import Identity
from vgmae_bench.training.loop import Job, train
from vgmae_bench.training.recipe import Batch

TINY = configured(
    PretrainConfig,
    feature_channels=16,
    layers=1,
    ffn_expansion=1,
    stem_channels=(8, 8, 16),
    features_l2=True,
    tau=0.07,
    image_size=40,
    crop_size=32,
)


def clips(count: int = 2, frames: int = 2) -> Batch:
    shape = Pretraining(TINY).shape(0)._replace(frames=frames)
    return open_clips(["synth"], seed=0, workers=0).batch(range(count), shape, "cpu")


def made(config: PretrainConfig, seed: int = 0) -> tuple[Pretraining, GMRW]:
    recipe = Pretraining(changed(config, seed=seed))
    return recipe, recipe.network


def test_training_lowers_the_walk_loss() -> None:
    recipe, model = made(TINY)
    batch = clips(4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for step in range(40):
        loss, parts = recipe(batch, step)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[0] > 3.0  # of the logarithm of 64 cells, 4.16
    assert losses[-1] < 1.5
    assert parts.keys() == {"walk"}


def test_random_choices_for_a_clip_depend_only_on_its_seed() -> None:
    recipe, _ = made(changed(TINY, smoothness=1.0))
    batch = clips(2)
    both = recipe(batch, 0)[0]
    each = [recipe(Batch(batch.video[i : i + 1], batch.seeds[i : i + 1]), 0)[0] for i in range(2)]
    torch.testing.assert_close(both, torch.stack(each).mean())


@pytest.mark.parametrize("frames", [2, 3])
def test_chunked_matrices_give_equal_losses_and_gradients(frames: int) -> None:
    batch = clips(2, frames)
    losses: list[Tensor] = []
    gradients: list[Tensor] = []
    for entries in (2**18, 2 * 64 * 10):
        recipe, model = made(changed(TINY, num_frames=frames, smoothness=1.0))
        recipe._walker = replace(recipe._walker, pieces=entries)
        loss = recipe(batch, 0)[0]
        losses.append(loss)
        (gradient,) = torch.autograd.grad(loss, [model.backbone.conv1.weight])
        gradients.append(gradient)
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=0)
    assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[0].norm()


@pytest.mark.parametrize("changes", [{}, {"num_frames": 3}, {"radius": 2.0, "smoothness": 1.0}, {"layers": 2}])
def test_every_parameter_gets_a_gradient(changes: dict[str, Any]) -> None:
    config = changed(TINY, **changes)
    recipe, model = made(config)
    recipe(clips(2, config.data.num_frames), 0)[0].backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []


def test_in_bfloat16_the_walk_stays_float32() -> None:
    recipe, _ = made(TINY)
    exact = recipe(clips(), 0)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rough = recipe(clips(), 0)[0]
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0)


def test_a_palindrome_repeats_the_clip_in_reverse() -> None:
    recipe = Pretraining(changed(TINY, num_frames=3, crop_size=40, crop_area=(1.0, 1.0)))
    batch = clips(2, frames=3)
    images, targets = recipe.palindrome(batch)
    frames = batch.video.permute(0, 1, 4, 2, 3) / 255
    torch.testing.assert_close(images, frames[:, [0, 1, 2, 1, 0]], atol=1e-5, rtol=0)
    assert torch.equal(targets.cell, torch.arange(100).expand(2, -1))
    steps = transitions(recipe.network, images)
    assert [step.source.shape for step in steps] == [(2, 100, 16)] * 4


def test_the_reversed_clip_has_a_separate_crop_only_with_warped_labels() -> None:
    batch = clips(8)
    images, targets = Pretraining(TINY).palindrome(batch)
    assert (images[:, 0] - images[:, 2]).abs().mean() > 0.05
    assert 0.3 < targets.valid.double().mean() < 0.99
    images, targets = Pretraining(changed(TINY, labels="none")).palindrome(batch)
    assert torch.equal(images[:, 0], images[:, 2])
    assert torch.equal(targets.cell, torch.arange(64).expand(8, -1))
    official = Pretraining(changed(TINY, labels="official")).palindrome(batch)[1]
    assert (official.cell != Pretraining(TINY).palindrome(batch)[1].cell).any()


def test_labels_are_the_cells_with_equal_content() -> None:
    """The cells of the first image and their labels in the last image show the same colours on average."""
    recipe = Pretraining(changed(TINY, crop_area=(0.5, 1.0)))
    images, targets = recipe.palindrome(clips(8))
    colours = images.unflatten(3, (8, 4)).unflatten(5, (8, 4))[:, :, :, :, :2, :, :2].mean(dim=(4, 6)).flatten(3)

    def difference(cell: Tensor) -> Tensor:
        there, back = colours[:, 0], colours[:, 2].take_along_dim(cell[:, None], dim=2)
        return ((there - back).abs().mean(dim=1) * targets.valid).sum() / targets.valid.sum()

    shifted = torch.where(targets.cell % 8 < 7, targets.cell + 1, targets.cell - 1)
    assert difference(targets.cell) < 0.6 * difference(shifted)


def test_smoothness_starts_at_the_configured_step() -> None:
    config = changed(TINY, smoothness=4.0, smoothness_start=10, smoothness_end=20)
    recipe, _ = made(config)
    batch = clips()
    loss, parts = zip(*(recipe(batch, step) for step in (0, 15, 20, 50)), strict=True)
    rough = [part["smoothness"].item() for part in parts]
    assert rough[0] == 0
    assert rough[1] > 0
    assert rough[2:] == pytest.approx([2 * rough[1]] * 2)
    torch.testing.assert_close(loss[3].detach(), parts[3]["walk"] + parts[3]["smoothness"])


def configurations() -> dict[str, Path]:
    folder = plugins.beside(plugins.find("methods", SPEC.name), SPEC.configs)
    return {path.stem: path for path in folder.glob("*.toml")}


def test_shipped_configurations_are_valid() -> None:
    configs = {name: build(PretrainConfig, read_toml(path), owner="gmrw") for name, path in configurations().items()}
    assert configs.keys() == {"kubric", "kinetics", "kinetics-finetune", "small", "tiny"}
    official = [configs[name] for name in ("kubric", "kinetics", "kinetics-finetune")]
    for config in official:
        model = Pretraining(config).network
        assert sum(parameter.numel() for parameter in model.parameters()) == 4_346_912
        assert (config.peak_lr, config.optimiser.lr_schedule, config.data.crop_size) == (1.6e-4, "constant", 512)
    assert [config.data.stride for config in official] == [1, 20, 20]
    assert [config.curriculum.smoothness for config in official] == [200.0, 0.0, 1.0]


def test_the_identity_contains_method_data_and_init() -> None:
    identity = Identity("gmrw", TINY, "synth", None).to_json()
    assert (identity["method"], identity["data"], identity["init"]) == ("gmrw", "synth", None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": 4}, "Did you mean crop_size"),
        ({"num_frames": 1}, "num_frames"),
        ({"crop_size": 30}, "multiple of 8"),
        ({"feature_channels": 6}, "multiple of 4"),
        ({"smoothness_start": 5}, "after smoothness_end"),
        ({"radius": 0.0}, "must be positive"),
        ({"labels": "warped"}, "not valid"),
        ({"steps": 0}, "at least 1"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(PretrainConfig, settings, owner="gmrw")


def test_saved_weights_contain_all_settings_for_tracking(tmp_path: Path) -> None:
    recipe, model = made(changed(TINY, upsample=2, readout="weighted_argmax", readout_radius=2.5))
    recipe.export(tmp_path / "weights.safetensors", {"steps": 3})
    network, inference, source = load_model(tmp_path / "weights.safetensors")
    assert network.config == TINY.network
    assert inference == Inference("correct", 2, "weighted_argmax", 2.5)
    assert source == {"steps": 3}
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in model.state_dict().items())
    assert isinstance(recipe.tracker("cpu"), GMRWTracker)


def test_starting_from_weights_reports_the_loaded_tensors(tmp_path: Path) -> None:
    recipe, given = made(TINY, seed=1)
    recipe.export(tmp_path / "given.safetensors", None)
    recipe, model = made(changed(TINY, layers=2))
    notes = recipe.init_from(tmp_path / "given.safetensors")
    assert torch.equal(model.backbone.conv1.weight, given.backbone.conv1.weight)
    assert notes[0].startswith("taken from given.safetensors: 36 of 52 tensors: ")
    assert notes[1] == "new: transformer (16)" and notes[2] == "not taken: nothing"
    recipe, _ = made(changed(TINY, feature_channels=8, stem_channels=(4, 4, 4)))
    with pytest.raises(WeightsError, match="Nothing in"):
        recipe.init_from(tmp_path / "given.safetensors")


def test_a_stopped_training_continues_exactly(tmp_path: Path) -> None:
    config = changed(TINY, steps=4, batch_size=2, ema_decay=0.5, workers=0, checkpoint_every=2, validate_clips=0)

    def job(out: str, source: Any) -> Job[Batch]:
        return Job("gmrw", Pretraining(config), source, tmp_path / out, "cpu")

    class Stopping:
        """Synthetic clips. Asking for the fifth is an error."""

        def __init__(self) -> None:
            self._clips = open_clips(["synth"], config.seed, 0)

        def batch(self, numbers: range, *more: Any) -> Batch:
            if 4 in numbers:
                raise KeyboardInterrupt
            return self._clips.batch(numbers, *more)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._clips, name)

    clips = open_clips(["synth"], config.seed, 0)
    train(job("whole", clips))
    with pytest.raises(KeyboardInterrupt):
        train(job("parts", Stopping()))
    train(job("parts", clips))
    whole, parts = (load_file(tmp_path / out / "weights.safetensors") for out in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    assert (tmp_path / "parts" / "pictures" / "step_000004.png").exists()


def test_pictures_show_both_frames_the_flow_and_the_warped_frame(tmp_path: Path) -> None:
    from PIL import Image

    recipe, _ = made(TINY)
    recipe.pictures(clips(2), tmp_path / "picture")
    with Image.open(tmp_path / "picture") as picture:
        assert (picture.format, picture.size) == ("PNG", (4 * 128, 2 * 128))


def test_warping_samples_pixels_at_their_flow_targets() -> None:
    image = torch.rand(1, 3, 6, 8)
    moved = image.roll((1, 2), dims=(2, 3))
    flow = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 6, 8)
    torch.testing.assert_close(follow(moved, flow)[:, :, :5, :6], image[:, :, :5, :6], atol=1e-5, rtol=0)
