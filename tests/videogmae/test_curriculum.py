"""The visible part of the clips, and how a curriculum changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.shared.configured import changed
from tests.videogmae.gaussians.scenes import blurred_noise
from tests.videogmae.pretraining import TINY, clips, made
from vgmae_bench.models.weights_file import load_weights
from vgmae_bench.training.clips.sources import open_bank, open_clips
from vgmae_bench.training.loop import Job, train
from vgmae_bench.training.recipe import Batch
from vgmae_bench.videogmae.gaussians.gaussians import activate
from vgmae_bench.videogmae.masking import draw_order, encode_part
from vgmae_bench.videogmae.network import VideoGMAE
from vgmae_bench.videogmae.pretrain import Pretraining, Stage


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
    """A pattern moves by one pixel per frame. One step on the registration loss alone moves the Gaussians that way."""
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
    """Mean motion of the Gaussians to the right from the first to the last frame, world units."""
    with torch.no_grad():
        raw = recipe.network.decode(encode_part(recipe.network, batch, 0.0)).float()
        means = activate(raw, recipe.config.activation).means
    return float((means[:, -1] - means[:, 0])[..., 0].mean())


def test_padding_after_a_short_clip_is_never_visible() -> None:
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
    """Simulates a kill: the program does not handle this error."""


@pytest.mark.parametrize("step", [2, 3, 4])
def test_a_training_killed_near_the_start_of_a_stage_continues_exactly(
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
    whole, parts = (
        load_weights(tmp_path / name / "weights.safetensors", method="videogmae").tensors for name in ("whole", "parts")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
