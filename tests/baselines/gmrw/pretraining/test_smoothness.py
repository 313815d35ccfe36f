from __future__ import annotations

import pytest
import torch
from vgmae_baselines.gmrw.pretraining.smoothness import ramp, smoothness_loss

HEIGHT, WIDTH = 8, 10


def test_affine_flow_is_smooth() -> None:
    x = torch.arange(WIDTH).expand(HEIGHT, -1)
    flow = torch.stack([2.0 * x + 3, -x + 0.5 * torch.arange(HEIGHT)[:, None]])[None]
    loss = smoothness_loss(flow, torch.zeros(1, 3, HEIGHT, WIDTH))
    torch.testing.assert_close(loss, torch.tensor([0.001]), rtol=0.01, atol=0)  # the softness of the absolute value


def test_the_smoothness_loss_grows_with_the_bend() -> None:
    x = torch.arange(WIDTH).float()
    flow = torch.zeros(2, 2, HEIGHT, WIDTH)
    flow[0, 0], flow[1, 0] = 0.5 * x**2, 1.0 * x**2
    one, two = smoothness_loss(flow, torch.zeros(2, 3, HEIGHT, WIDTH))
    assert one.item() == pytest.approx(0.25, rel=0.01)  # a second difference of 1 in one of two axes and components
    assert two.item() == pytest.approx(0.5, rel=0.01)


def test_a_bend_at_an_image_edge_costs_nothing() -> None:
    flow = torch.zeros(1, 2, HEIGHT, WIDTH)
    flow[..., WIDTH // 2 :] = 4.0
    image = torch.zeros(1, 3, HEIGHT, WIDTH)
    assert smoothness_loss(flow, image).item() > 0.4
    image[..., WIDTH // 2 :] = 1.0
    assert smoothness_loss(flow, image).item() < 0.002


def test_differences_of_colour_are_averaged_over_channels() -> None:
    flow = torch.zeros(1, 2, HEIGHT, WIDTH)
    flow[..., WIDTH // 2 :] = 4.0
    image = torch.zeros(1, 3, HEIGHT, WIDTH)
    plain = smoothness_loss(flow, image)
    image[:, 0, :, WIDTH // 2 :] = 1 / 150
    weight = torch.tensor(-1 / 3).exp()
    torch.testing.assert_close(smoothness_loss(flow, image) / plain, weight[None], rtol=0.005, atol=0)


def test_a_weight_that_rises() -> None:
    assert [ramp(step, 5, 15, 200.0) for step in (0, 5, 10, 15, 99)] == [0.0, 0.0, 100.0, 200.0, 200.0]
    assert ramp(0, 0, 0, 2.0) == 2.0
