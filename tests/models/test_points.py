"""Points in frames: the edges of a frame, and the pixels around a position."""

from __future__ import annotations

import torch

from vgmae_bench.models.points import four_pixels, inside


def test_the_right_and_lower_edges_are_outside() -> None:
    xy = torch.tensor([[0.0, 0], [39.9, 29.9], [40, 3], [3, 30], [-0.1, 3]])
    assert inside(xy, (30, 40)).tolist() == [True, True, False, False, False]


def test_the_shares_of_four_pixels_put_their_mean_at_the_position() -> None:
    index = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([6.0, 3.0])
    pixels, shares = four_pixels(index, (4, 7))
    torch.testing.assert_close((shares[..., None] * pixels).sum(dim=0), index)
    assert (pixels - index).abs().max() <= 1


def test_outside_the_map_the_border_counts() -> None:
    pixels, shares = four_pixels(torch.tensor([[-3.0, 1.5], [9.0, 9.0]]), (4, 7))
    assert (shares[..., None] * pixels).sum(dim=0).tolist() == [[0, 1.5], [6, 3]]
