from __future__ import annotations

import math
from typing import Literal

import pytest
import torch

from vgmae_bench.models.losses import readout_loss, reconstruction_loss


def _gradient(batch: torch.Tensor, reduction: Literal["mean", "sum"]) -> torch.Tensor:
    """The gradient of the loss with respect to a brightness of all clips."""
    brightness = torch.tensor(0.5, requires_grad=True)
    reconstruction_loss(brightness.expand(batch.shape), batch, reduction).backward()
    assert brightness.grad is not None
    return brightness.grad


@pytest.mark.parametrize(("reduction", "factor"), [("mean", 1), ("sum", 2)])
def test_repeating_the_batch_scales_the_gradient_by_the_reduction(
    reduction: Literal["mean", "sum"], factor: int
) -> None:
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


def test_the_distance_loss_is_in_patches_and_pulls_everywhere_alike() -> None:
    answers = _answers()
    answers["xy"][0, 0] = torch.tensor([[0.8, 0.9], [0.5, 0.5]])  # off by 0.5 of the frame: 4 patches of 8
    loss = readout_loss(**answers, kind="distance", grid=8)
    still = math.sqrt(1e-3)
    assert loss.position.item() == pytest.approx((math.sqrt(16 + 1e-3) + 3 * still) / 4 / 2 + still / 2, rel=1e-5)
    assert loss.total.item() == pytest.approx(loss.position.item() + 0.1 * loss.occlusion.item())
    pulls = []
    for off in (0.1, 0.4):
        answers = _answers()
        answers["positions"] = (answers["xy"] + torch.tensor([off, 0.0])).requires_grad_()
        readout_loss(**answers, kind="distance", grid=8).position.backward()
        assert answers["positions"].grad is not None
        pulls.append(float(answers["positions"].grad[0, 0, 0, 0]))
    assert pulls[0] == pytest.approx(pulls[1], rel=1e-2)
