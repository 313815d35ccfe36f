from __future__ import annotations

import math
from typing import Literal

import pytest
import torch

from tests.videogmae.test_network import SMALL, clip, small
from vgmae_bench.models.losses import readout_loss, reconstruction_loss
from vgmae_bench.videogmae.gaussians.gaussians import Gaussians
from vgmae_bench.videogmae.gaussians.losses import displacement_penalty, neighbourhood_smoothness
from vgmae_bench.videogmae.network import pixel_mask


def _gradient(batch: torch.Tensor, reduction: Literal["mean", "sum"]) -> torch.Tensor:
    """Of the loss with respect to a brightness that all clips share."""
    brightness = torch.tensor(0.5, requires_grad=True)
    reconstruction_loss(brightness.expand(batch.shape), batch, reduction).backward()
    assert brightness.grad is not None
    return brightness.grad


@pytest.mark.parametrize(("reduction", "factor"), [("mean", 1), ("sum", 2)])
def test_gradient_when_every_clip_comes_twice(reduction: Literal["mean", "sum"], factor: int) -> None:
    clips = torch.rand(2, 3, 4, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(_gradient(clips.repeat(2, 1, 1, 1, 1), reduction), factor * _gradient(clips, reduction))


def test_every_pixel_counts_the_same() -> None:
    image, video = torch.zeros(1, 2, 2, 2, 3), torch.zeros(1, 2, 2, 2, 3)
    image[0, 1, 0, 1, 2] = 1
    assert reconstruction_loss(image, video, "mean").item() == pytest.approx(1 / image.numel())


def test_only_masked_pixels_count_and_each_the_same() -> None:
    image = torch.zeros(2, 1, 2, 2, 3, requires_grad=True)
    video = torch.zeros(2, 1, 2, 2, 3)
    video[0, 0, 0], video[0, 0, 1] = 2, 100  # 100 where nobody looks
    mask = torch.tensor([[True, True], [False, False]]).expand(2, 1, 2, 2).clone()
    mask[0, 0, 0, 1] = False
    mask[1] = False  # a clip of which nothing is masked
    loss = reconstruction_loss(image, video, "sum", mask)
    loss.backward()
    assert loss.item() == pytest.approx(4)
    assert image.grad is not None
    expected = torch.zeros_like(video)
    expected[0, 0, 0, 0] = 2 * -2 / 3  # d/dI of the mean of (I - 2)² over three channels
    torch.testing.assert_close(image.grad, expected)


def test_a_mask_of_everything_is_no_mask() -> None:
    image, video = torch.rand(2, 2, 3, 2, 4, 4, 3, generator=torch.Generator().manual_seed(0))[:, 0]
    everything = torch.ones(2, 4, 4, dtype=torch.bool)[None].expand(3, -1, -1, -1)
    masked = reconstruction_loss(image, video, "mean", everything)
    torch.testing.assert_close(masked, reconstruction_loss(image, video, "mean"))


def test_masked_tokens_are_squares_of_pixels() -> None:
    encoded = small().encode(clip(), 0.5, generator=torch.Generator().manual_seed(0))
    pixels = pixel_mask(encoded.mask, SMALL)
    assert pixels.shape == (2, 3, 16, 16) and pixels.dtype == torch.bool
    for t, y, x in ((0, 0, 0), (1, 5, 15), (2, 15, 6)):
        assert torch.equal(pixels[:, t, y, x], encoded.mask[:, t * 16 + y // 4 * 4 + x // 4])


def moving(first: torch.Tensor, steps: torch.Tensor) -> Gaussians:
    """Gaussians at `first` [G, 3] that take `steps` [T - 1, G, 3]."""
    means = torch.cat([first[None], first + steps.cumsum(dim=0)])[None]
    rest = [torch.zeros(1, len(first), n) for n in (3, 4)]
    return Gaussians(means, *rest, torch.zeros(1, len(first)), torch.zeros(*means.shape))


def test_displacement_is_the_mean_length_of_steps() -> None:
    steps = torch.tensor([[[3.0, 4, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, -1]]], requires_grad=True)
    penalty = displacement_penalty(moving(torch.ones(2, 3), steps))
    penalty.backward()
    assert penalty.item() == pytest.approx((5 + 0 + 0 + 1) / 4)
    expected = torch.tensor([[[0.6, 0.8, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, -1]]]) / 4  # and no NaN at rest
    torch.testing.assert_close(steps.grad, expected)


def test_neighbours_in_space_should_move_alike() -> None:
    """Two pairs far apart: within a pair, one moves by 1 more than the other; between pairs, motion may differ."""
    first = torch.tensor([[0.0, 0, 0], [0, 0, 1], [50, 0, 0], [50, 0, 2]])
    steps = torch.tensor([[[1.0, 0, 0], [2, 0, 0], [-7, 0, 0], [-7, 0, 0]]], requires_grad=True)
    smoothness = neighbourhood_smoothness(moving(first, steps), neighbours=1)
    smoothness.backward()
    assert smoothness.item() == pytest.approx((1 + 1 + 0 + 0) / 4)
    expected = torch.tensor([[[-2.0, 0, 0], [2, 0, 0], [0, 0, 0], [0, 0, 0]]]) / 4
    torch.testing.assert_close(steps.grad, expected)


def test_smoothness_leaves_common_motion_and_positions_alone() -> None:
    first = torch.rand(8, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    together = torch.tensor([0.5, -0.25, 0.125]).expand(2, 8, 3)  # exact in binary, so that differences vanish
    torch.testing.assert_close(neighbourhood_smoothness(moving(first, together)), torch.tensor(0.0), atol=1e-6, rtol=0)
    apart = torch.rand(2, 8, 3, generator=torch.Generator().manual_seed(1))
    neighbourhood_smoothness(moving(first, apart)).backward()
    assert first.grad is not None and float(first.grad.abs().max()) < 1e-6


def _answers() -> dict[str, torch.Tensor]:
    """Two clips of two points in two frames; the second point of the second clip is padding."""
    return {
        "positions": torch.full((2, 2, 2, 2), 0.5),
        "occlusion": torch.full((2, 2, 2), 0.5),
        "xy": torch.full((2, 2, 2, 2), 0.5),
        "occluded": torch.tensor([[[False, True], [False, False]], [[False, False], [True, True]]]),
        "valid": torch.tensor([[True, True], [True, False]]),
    }


def test_readout_loss_by_hand() -> None:
    answers = _answers()
    answers["xy"][0, 0] = torch.tensor([[0.7, 0.5], [0.5, 0.9]])  # off by 0.2 where seen, by 0.4 where hidden
    answers["xy"][1, 1] = 99.0  # padding
    answers["occlusion"][1, 1] = 1e-9
    loss = readout_loss(**answers)
    # Of eight coordinates of the first clip, two are wrong; the second clip has no error.
    assert loss.position.item() == pytest.approx((0.5 * 0.2**2 + 0.5 * 0.4**2) / 8 / 2)
    assert loss.occlusion.item() == pytest.approx(math.log(2))
    assert loss.total.item() == pytest.approx(100 * loss.position.item() + 0.1 * math.log(2))
    seen_only = readout_loss(**answers, hidden_positions=False)  # six coordinates, one wrong
    assert seen_only.position.item() == pytest.approx(0.5 * 0.2**2 / 6 / 2)
    assert seen_only.occlusion.item() == pytest.approx(math.log(2))


def test_gradients_of_the_readout_loss() -> None:
    answers = _answers()
    answers["xy"][0, 0, 0, 0] = 0.7
    answers["xy"][1, 0, 0, 0] = 3.0  # beyond δ = 1 the slope is constant
    for name in ("positions", "occlusion"):
        answers[name].requires_grad_()
    readout_loss(**answers).total.backward()
    positions, occlusion = answers["positions"].grad, answers["occlusion"].grad
    assert positions is not None and occlusion is not None
    expected = torch.zeros_like(positions)
    expected[0, 0, 0, 0], expected[1, 0, 0, 0] = -100 * 0.2 / 8 / 2, -100 * 1 / 4 / 2
    torch.testing.assert_close(positions, expected)
    # -log(p) and -log(1 - p) have slopes ∓2 at p = 1/2, over four answers of the first clip and two of the second.
    expected = torch.tensor([[[1.0, -1], [1, 1]], [[2, 2], [0, 0]]]) * 0.1 * 2 / 4 / 2
    torch.testing.assert_close(occlusion, expected)


def test_clips_without_points_add_nothing() -> None:
    answers = _answers()
    answers["valid"][:] = False
    assert readout_loss(**answers).total.item() == 0
