from __future__ import annotations

import pytest
import torch

from vgmae_bench.videogmae.gaussians.gaussians import Gaussians
from vgmae_bench.videogmae.gaussians.losses import displacement_penalty, neighbourhood_smoothness


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
    """Two distant pairs. Within a pair, one Gaussian moves by 1 more than the other. Different motion of the pairs is free."""
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
