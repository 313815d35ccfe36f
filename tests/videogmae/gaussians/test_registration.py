from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.videogmae.gaussians.scenes import blurred_noise
from vgmae_bench.videogmae.gaussians.registration import Registration, register

SIZE = 48


def shifted(steps: list[tuple[int, int]], seed: int = 0) -> Tensor:
    """[1, T, SIZE, SIZE, 3]: one pattern, displaced by whole pixels (x, y) from the first frame."""
    room = 8
    pattern = blurred_noise(SIZE + 2 * room, SIZE + 2 * room, seed)
    cuts = [pattern[room - y : room - y + SIZE, room - x : room - x + SIZE] for x, y in steps]
    return torch.stack(cuts)[None]


def test_a_pan_is_found_to_a_tenth_of_a_pixel() -> None:
    start = torch.tensor([[[12.0, 12.0], [24.5, 30.0], [36.0, 18.0]]])
    path = register(shifted([(0, 0), (1, 0), (2, 1), (3, 3)]), 8).follow(start)
    expected = start[:, None] + torch.tensor([[0.0, 0], [1, 0], [2, 1], [3, 3]])[None, :, None]
    torch.testing.assert_close(path, expected, atol=0.1, rtol=0)


def test_parts_with_different_motion_are_separated() -> None:
    left, right = shifted([(0, 0), (-1, 1)]), shifted([(0, 0), (2, 0)], seed=1)
    video = torch.cat([left[..., : SIZE // 2, :], right[..., SIZE // 2 :, :]], dim=-2)
    path = register(video, 8).follow(torch.tensor([[[10.0, 24.0], [38.0, 24.0]]]))
    moved = path[0, 1] - path[0, 0]
    torch.testing.assert_close(moved, torch.tensor([[-1.0, 1.0], [2.0, 0.0]]), atol=0.3, rtol=0)


def test_occluding_content_does_not_change_the_registration() -> None:
    video = shifted([(0, 0), (1, 0)])
    video[0, 1, 20:26, 20:26] = 1.0
    path = register(video, 8).follow(torch.tensor([[[12.0, 12.0], [40.0, 36.0]]]))
    torch.testing.assert_close(path[0, 1] - path[0, 0], torch.tensor([[1.0, 0.0], [1.0, 0.0]]), atol=0.15, rtol=0)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_uniform_frames_register_without_motion(value: float) -> None:
    path = register(torch.full((2, 3, 16, 16, 3), value), 4).follow(torch.full((2, 1, 2), 8.0))
    torch.testing.assert_close(path, torch.full((2, 3, 1, 2), 8.0))


def test_clips_of_a_batch_are_registered_independently() -> None:
    first, second = shifted([(0, 0), (1, 0)]), shifted([(0, 0), (0, -1)], seed=1)
    together = register(torch.cat([first, second]), 6).control
    torch.testing.assert_close(together[:1], register(first, 6).control, atol=1e-3, rtol=0)
    torch.testing.assert_close(together[1:], register(second, 6).control, atol=1e-3, rtol=0)


def test_each_step_starts_at_the_position_after_the_previous_one() -> None:
    """Two columns of control points: the left one does not move; the right one moves by the same step again."""
    control = torch.zeros(1, 2, 4, 2)
    control[:, :, [1, 3], 0] = 8.0
    path = Registration(control, 16).follow(torch.tensor([[[12.0, 4.0]]]))
    assert path[0, 1, 0, 0] - 12 == pytest.approx(8 / (1 + torch.tensor(-2.0).exp().item()), abs=1e-4)
    assert path[0, 2, 0, 0] > path[0, 1, 0, 0] + 7.9
