from __future__ import annotations

from typing import Literal

import pytest
import torch

from vgmae_bench.videogmae.losses import reconstruction_loss


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
