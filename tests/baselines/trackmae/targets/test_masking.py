"""The number and the choice of hidden tubes."""

from __future__ import annotations

import pytest
import torch
from vgmae_baselines.trackmae.targets.masking import motion_bins, random_tubes, shown_tubes, tube_motion

TUBES = 196


def noise(seed: int, count: int = TUBES) -> torch.Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("ratio", "shown"), [(0.8, 40), (0.9, 20), (0.75, 49)])
def test_the_number_of_visible_tubes_follows_the_mask_ratio(ratio: float, shown: int) -> None:
    assert shown_tubes(TUBES, ratio) == shown
    assert (~random_tubes(noise(0), shown)).sum() == shown


@pytest.mark.parametrize(
    ("shown", "share", "of_fast", "of_slow"),
    [
        (40, 0.5, 20, 20),
        (20, 0.5, 10, 10),
        (40, 0.15, 6, 34),
        (120, 0.9, 98, 12),  # 108 are wanted of a half of 98: the official code shows no others in their place
        (150, 1.0, 98, 0),
        (150, 0.2, 30, 98),  # and 120 are wanted of the other half
    ],
)
def test_the_motion_share_is_taken_from_the_faster_half_of_the_tubes(
    shown: int, share: float, of_fast: int, of_slow: int
) -> None:
    motion = noise(1)
    mask = motion_bins(motion, noise(2), shown, share)
    order = motion.argsort(descending=True)
    assert (~mask[order[:98]]).sum() == of_fast
    assert (~mask[order[98:]]).sum() == of_slow


def test_a_motion_share_of_one_half_equals_random_masking() -> None:
    motion = noise(0)
    draws = [noise(seed) for seed in range(1, 2001)]
    stratified = torch.stack([motion_bins(motion, draw, 40, 0.5) for draw in draws]).float().mean(dim=0)
    random = torch.stack([random_tubes(draw, 40) for draw in draws]).float().mean(dim=0)
    expected = 1 - 40 / TUBES
    assert (stratified - expected).abs().max() < 0.04  # 4.5 deviations
    assert (random - expected).abs().max() < 0.04


def test_motion_is_the_mean_step_and_fine_lattices_are_pooled() -> None:
    xy = torch.zeros(1, 16, 3, 2)
    xy[0, 0, :, 0] = torch.tensor([0.0, 3, 3])  # 3 pixels, then none
    xy[0, 5, :, 1] = torch.tensor([0.0, 4, 0])
    assert tube_motion(xy, 4)[0].tolist() == [1.5, 0, 0, 0, 0, 4, *[0] * 10]
    assert tube_motion(xy, 2)[0].tolist() == [(1.5 + 4) / 4, 0, 0, 0]
