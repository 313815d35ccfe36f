from __future__ import annotations

import numpy as np
import torch

from tests.videogmae.gaussians.scenes import blobs, carpet
from vgmae_bench.models.nn import ViTConfig
from vgmae_bench.types import Scene
from vgmae_bench.videogmae.gaussians.gaussians import Gaussians
from vgmae_bench.videogmae.gaussians.scene import whole_scene
from vgmae_bench.videogmae.gaussians.switches import Switches


def scene(num_frames: int, length: int = 3) -> tuple[Scene, list[int]]:
    """Gaussians move right by 1 of 32 pixels per frame. Every window starts anew with another grey level."""
    asked: list[int] = []

    def gaussians_of(start: int) -> Gaussians:
        asked.append(start)
        steps = torch.tensor([[1.0, 0.0]]) * torch.arange(length)[:, None]
        moving = blobs(carpet(32), steps, size=32)
        return moving._replace(colors=torch.full_like(moving.colors, start / 10))

    network = ViTConfig(num_frames=length, image_size=32)
    return whole_scene(num_frames, (64, 96), network, gaussians_of, Switches(), "torch"), asked


def test_windows_share_a_frame_and_cover_the_clip() -> None:
    for num_frames, starts in ((2, [0]), (3, [0]), (4, [0, 2]), (6, [0, 2, 4])):
        made, asked = scene(num_frames)
        assert asked == starts
        assert len(made.flow) == num_frames - 1
        assert len(made.centres) == len(made.reconstruction) == len(made.window) == num_frames
        assert made.window.tolist() == [min(t // 2 * 2, starts[-1]) for t in range(num_frames)]


def test_flow_and_centres_are_in_pixels_of_the_clip() -> None:
    made, _ = scene(6)
    np.testing.assert_allclose(made.flow[:, 8:24, 8:24], np.broadcast_to([3.0, 0.0], (5, 16, 16, 2)), atol=1e-3)
    np.testing.assert_allclose(
        made.centres[1] - made.centres[0], np.broadcast_to([3.0, 0.0], made.centres[0].shape), atol=1e-3
    )
    assert made.centres.dtype == made.flow.dtype == np.float32


def test_each_frame_is_reconstructed_by_its_own_window() -> None:
    made, _ = scene(6)
    grey = made.reconstruction[:, 16, 16, 0] / 255
    expected = made.window / 10
    np.testing.assert_allclose(grey, expected, atol=0.08)


def test_a_single_frame_has_no_flow() -> None:
    made, _ = scene(1)
    assert made.flow.shape == (0, 32, 32, 2) and made.reconstruction.shape == (1, 32, 32, 3)
