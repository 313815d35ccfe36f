from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.configured import changed, configured
from tests.videogmae.gaussians.scenes import blurred_noise
from vgmae_bench import plugins
from vgmae_bench.config import build, read_toml
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.settings import flatten
from vgmae_bench.training.clips.sources import open_bank, open_clips
from vgmae_bench.training.loop import Job, train
from vgmae_bench.training.recipe import Batch
from vgmae_bench.videogmae import SPEC, pretrain
from vgmae_bench.videogmae.checkpoint import load_model, load_weights, save_weights
from vgmae_bench.videogmae.gaussians.gaussians import activate
from vgmae_bench.videogmae.masking import draw_order, encode_part
from vgmae_bench.videogmae.network import SIZES, Encoder, VideoGMAE
from vgmae_bench.videogmae.pretrain import PretrainConfig, Pretraining, Stage

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


def test_in_bfloat16_what_is_rendered_stays_float32() -> None:
    recipe, _ = made(TINY)
    exact = recipe(clips(), 0)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rough = recipe(clips(), 0)[0]
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.02, atol=0)


def test_the_scale_of_the_gradient() -> None:
    """Clips given twice leave the gradient of the "mean" as it is and double that of the "sum"."""
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


def test_what_a_clip_is_trained_with_depends_on_its_seed_alone() -> None:
    recipe, _ = made(TINY)
    batch = clips(2)
    both = recipe(batch, 0)[0]
    each = [recipe(Batch(batch.video[i : i + 1], batch.seeds[i : i + 1]), 0)[0] for i in range(2)]
    torch.testing.assert_close(both, torch.stack(each).mean())


def test_only_what_is_masked_counts_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_curriculum() -> None:
    first = Stage(until=0.25, num_frames=2, residuals="position", mask_mode="first_shown")
    second = Stage(until=0.5, mask_ratio=0.25, speed=2.0, stride=3, unmasked_share=0.25)
    config = changed(TINY, steps=8, stages=(first, second))
    assert [config.at(step)._asdict() for step in (0, 2, 4)] == [
        {"num_frames": 2, "mask_ratio": 0.5, "mask_mode": "first_shown", "unmasked_share": 0.0, "speed": 1.0, "stride": 4,
             "residuals": "position", "registration_weight": 0.0},
        {"num_frames": 3, "mask_ratio": 0.25, "mask_mode": "uniform", "unmasked_share": 0.25, "speed": 2.0, "stride": 3,
             "residuals": "both", "registration_weight": 0.0},
        {"num_frames": 3, "mask_ratio": 0.5, "mask_mode": "uniform", "unmasked_share": 0.0, "speed": 1.0, "stride": 4,
             "residuals": "both", "registration_weight": 0.0},
    ]  # fmt: skip
    assert config.at(2).stride == Pretraining(config).shape(2).stride
    assert Pretraining(config).shape(0).frames == 2
    recipe, _ = made(config)
    recipe(clips(frames=2), 0)[0].backward()


def test_registration_moves_gaussians_where_the_frames_say() -> None:
    """A pattern that moves by a pixel a frame: one step on the registration alone moves Gaussians that way."""
    stages = (Stage(until=0.5, registration_weight=1.0), Stage())
    config = changed(TINY, steps=2, stages=stages, gaussian_start="grid", residuals="position")
    recipe, model = made(config)
    pattern = blurred_noise(32, 36)
    video = torch.stack([pattern[:, 3 - t : 35 - t] for t in range(3)])[None]
    batch = Batch((video * 255).byte(), (1,))
    loss, parts = recipe(batch, 0)
    assert parts["registration"] > 0.5
    before = _mean_x(recipe, batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss.backward()
    optimizer.step()
    assert _mean_x(recipe, batch) > before
    assert recipe(batch, 1)[1]["registration"] == 0


def _mean_x(recipe: Pretraining, batch: Batch) -> float:
    """How far Gaussians go to the right from the first frame to the last, world units."""
    with torch.no_grad():
        raw = recipe.network.decode(encode_part(recipe.network, batch, 0.0)).float()
        means = activate(raw, recipe.config.activation).means
    return float((means[:, -1] - means[:, 0])[..., 0].mean())


def test_what_comes_after_a_short_clip_is_never_shown() -> None:
    order = draw_order((1, 2), total=48, shown=32, kept=10, token_order="identity")
    assert order.sort(dim=1).values.tolist() == [list(range(48))] * 2
    assert order[:, :10].max() < 32
    assert torch.equal(order[:, :10], order[:, :10].sort(dim=1).values)
    shuffled = draw_order((1, 2), 48, 32, 10, "shuffled")[:, :10]
    assert torch.equal(shuffled.sort(dim=1).values, order[:, :10])
    assert not torch.equal(shuffled, order[:, :10])


def test_the_first_frame_may_be_shown_whole() -> None:
    batch, (_, model) = clips(), made(TINY)
    for ratio, later in ((0.0, 32), (0.5, 16), (0.9, 3)):
        encoded = encode_part(model, batch, ratio, mask_mode="first_shown")
        shown = (~encoded.mask).unflatten(1, (3, 16))
        assert shown[:, 0].all() and (shown[:, 1:].sum(dim=(1, 2)) == later).all()
    half = (~encode_part(model, batch, 0.5, mask_mode="uniform").mask).unflatten(1, (3, 16))
    assert not half[:, 0].all()


OURS = changed(
    TINY,
    decoder="per_identity",
    query_position="anchored",
    gaussian_start="grid",
    query_content="gated",
    colour_start="frame",
    residuals="position",
    mask_mode="first_shown",
    motion_only=True,
    neighbour_gradients=True,
    preconditioning=0.3,
    carry_error="moving",
    blurs=(5.0, 0.0),
    unmasked_share=0.5,
)
"""Every switch of ours for masked pretraining."""


def test_new_gaussians_have_the_colours_of_the_first_frame() -> None:
    _, model = made(OURS)
    encoded = encode_part(model, clips(), 0.5, mask_mode="first_shown")
    colours = activate(model.decode(encoded), OURS.activation).colors
    wanted = torch.nn.functional.adaptive_avg_pool2d(clips().video[:, 0].permute(0, 3, 1, 2) / 255, 4).flatten(2).mT
    torch.testing.assert_close(colours[:, 0], wanted.clamp(0.02, 0.98), atol=1e-3, rtol=0)


def test_a_share_of_each_batch_is_shown_whole_as_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int, int]] = []
    encode = VideoGMAE.encode

    def watch(model: VideoGMAE, video: Tensor, *arguments: Any) -> Any:
        encoded = encode(model, video, *arguments)
        seen.append((len(video), int((~encoded.mask[0, 16:32]).sum()), int((~encoded.mask[0, 32:]).sum())))
        return encoded

    monkeypatch.setattr(VideoGMAE, "encode", watch)
    recipe, model = made(OURS)
    batch = clips(4)
    mixed = recipe(batch, 0).total
    shown = {(count, first + second) for count, first, second in seen}
    assert shown == {(2, 16)} and {first for _, first, _ in seen} >= {16}  # half of 32 patches, or all of frame 1
    alone = changed(OURS, unmasked_share=0.0)
    masked = Pretraining(alone).around(model)(batch.cut(2, None), 0).total
    pairs = changed(OURS, unmasked_share=1.0)
    whole = Pretraining(pairs).around(model)(batch.cut(None, 2), 0).total
    torch.testing.assert_close(mixed, (masked + whole) / 2)


def test_when_clips_get_longer_new_frames_move_as_the_last_known_one() -> None:
    config = changed(OURS, num_frames=4, steps=4, stages=(Stage(until=0.5, num_frames=2),))
    recipe, model = made(config)
    with torch.no_grad():
        model.linear_motion.weight.normal_()
    rows = model.linear_motion.weight.detach().view(3, 6, -1)
    before = rows.clone()
    recipe(clips(2, 2), 1)
    assert torch.equal(rows, before)
    for _ in range(2):
        recipe(clips(2, 4), 2)
        assert torch.equal(rows, before[:1].expand(3, -1, -1))
    with torch.no_grad():
        rows[2] += 1
    moved = rows.clone()
    recipe(clips(2, 4), 3)
    assert torch.equal(rows, moved)


class Killed(BaseException):
    """Stands for a kill: nothing in the program handles it."""


@pytest.mark.parametrize("step", [2, 3, 4])
def test_killed_around_the_start_of_a_stage_it_goes_on_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path))
    stages = (Stage(until=0.5, num_frames=2, mask_ratio=0.0, stride=2),)
    config = changed(
        OURS, steps=6, batch_size=4, stages=stages, ema_decay=0.9, bank_scenes=64, bank_frames=4, checkpoint_every=1,
        picture_every=0, validate_every=0, validate_clips=0, workers=0,
    )  # fmt: skip

    def job(name: str) -> Job[Batch]:
        recipe = Pretraining(config)
        source = open_clips(["synth"], seed=0, workers=0, bank=lambda: open_bank(config, recipe.shape(0)))
        return Job("videogmae", recipe, source, tmp_path / name, "cpu")

    train(job("whole"))
    forward = Pretraining.forward
    with monkeypatch.context() as patched:

        def deadly(recipe: Pretraining, batch: Batch, now: int) -> Any:
            if now == step:
                raise Killed
            return forward(recipe, batch, now)

        patched.setattr(Pretraining, "forward", deadly)
        with pytest.raises(Killed):
            train(job("parts"))
    train(job("parts"))
    whole, parts = (load_weights(tmp_path / name / "weights.safetensors").tensors for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


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


def test_the_size_tiny_is_that_of_the_configuration_tiny() -> None:
    config = build(PretrainConfig, read_toml(configurations()["tiny"]), owner="videogmae")
    assert config.network == SIZES["tiny"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_frame": 4}, "did you mean num_frames"),
        ({"mask_ratio": 1.0}, "mask_ratio"),
        ({"num_frames": 1}, "2 to 1 frames"),
        ({"stages": [{"until": 0.5, "num_frames": 99}]}, "2 to 16 frames"),
        ({"stages": [{"until": 0.5, "frames": 2}]}, "not valid"),
        ({"image_size": 65}, "multiple of 16"),
        ({"loss_region": "masked", "mask_ratio": 0.0}, "loss has no pixels"),
        ({"steps": 0}, "at least 1"),
        ({"ema_decay": 1.0}, "ema_decay"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(PretrainConfig, settings, owner="videogmae")


def test_weights_leave_with_all_that_is_needed_to_use_them(tmp_path: Path) -> None:
    recipe, model = made(changed(TINY, rgb_mode="cumulative", residuals="position"))
    recipe.export(tmp_path / "weights.safetensors", {"steps": 3})
    loaded, content = load_model(tmp_path / "weights.safetensors")
    assert loaded.config == TINY.network
    assert content.config["activation"] == vars(recipe.config.activation)
    assert content.config["source"] == {"steps": 3}
    assert "tracking" not in content.config
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())


def test_weights_say_on_how_many_tiles_to_track(tmp_path: Path) -> None:
    recipe, _ = made(changed(TINY, tiles=2))
    recipe.export(tmp_path / "weights.safetensors", None)
    assert load_model(tmp_path / "weights.safetensors")[1].config["tracking"] == {"tiles": 2}


def test_starting_from_weights_says_what_was_taken(tmp_path: Path) -> None:
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


def test_starting_from_something_that_does_not_fit(tmp_path: Path) -> None:
    save_weights(tmp_path / "other.safetensors", {"a": torch.zeros(1)}, "mae-encoder", {})
    recipe, _ = made(TINY)
    with pytest.raises(WeightsError, match="Nothing in"):
        recipe.init_from(tmp_path / "other.safetensors")
    assert load_weights(tmp_path / "other.safetensors").kind == "mae-encoder"


def test_pictures_and_films_show_what_the_network_sees_and_makes_of_it(tmp_path: Path) -> None:
    from PIL import Image

    from vgmae_bench.viz.mosaic import LABEL_WIDTH

    recipe, _ = made(TINY)
    recipe.pictures(clips(2), tmp_path / "picture")
    kinds = 4  # input, shown, reconstruction, flow
    with Image.open(tmp_path / "picture") as picture:
        assert (picture.format, picture.size) == ("PNG", (LABEL_WIDTH + 2 * 128, 2 * kinds * 128))
    assert [frame.shape for frame in recipe.film(clips(2))] == [(128, kinds * 128, 3)] * 2
