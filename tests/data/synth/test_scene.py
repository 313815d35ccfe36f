from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from vgmae_bench.data.synth.scene import SynthConfig, rotation_matrix, sample_scenes

SMALL = SynthConfig(height=32, width=32, frames=6, points=4)


def test_a_batch_equals_its_clips_one_by_one() -> None:
    batch = sample_scenes(SMALL, [5, 0, 17, 3])
    for row, index in enumerate([5, 0, 17, 3]):
        alone = sample_scenes(SMALL, [index])
        for field in dataclasses.fields(batch):
            value = getattr(batch, field.name)
            if isinstance(value, Tensor):
                torch.testing.assert_close(value[row : row + 1], getattr(alone, field.name), rtol=0, atol=1e-13)


def test_nothing_moves_at_speed_zero() -> None:
    scenes = sample_scenes(dataclasses.replace(SMALL, speed=0.0), [0, 1])
    for path in (scenes.camera_rotation, scenes.camera_position, scenes.rotation, scenes.position):
        assert (path == path[:, :1]).all()


def test_boxes_stay_in_front_of_the_camera_and_the_camera_in_the_room() -> None:
    config = dataclasses.replace(SMALL, frames=60, speed=4.0)
    scenes = sample_scenes(config, range(100))
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    local = scenes.half[:, 1:, None] * corners  # [B, O, 8, 3]
    world = (scenes.rotation[:, :, 1:, None] @ local[:, None, ..., None])[..., 0] + scenes.position[:, :, 1:, None]
    seen = world - scenes.camera_position[:, :, None, None]
    depth = (scenes.camera_rotation[:, :, None, None].transpose(-1, -2) @ seen[..., None])[..., 2, 0]
    assert depth.min() > 0.5
    room = (scenes.camera_position - scenes.position[:, :, 0]).abs()
    assert (room < scenes.half[:, None, 0] - 1).all()


def test_rotation_vectors_turn_about_their_axis() -> None:
    quarter = rotation_matrix(torch.tensor([0.0, 0.0, math.pi / 2], dtype=torch.float64))
    expected = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(quarter, expected)
    vectors = torch.linspace(-3, 3, 30, dtype=torch.float64).view(10, 3)
    cross = torch.linalg.cross(vectors[:, None].expand(-1, 3, -1), torch.eye(3, dtype=torch.float64).expand(10, 3, 3))
    torch.testing.assert_close(rotation_matrix(vectors), torch.matrix_exp(cross.transpose(1, 2)))
    torch.testing.assert_close(rotation_matrix(torch.zeros(3)), torch.eye(3))


def test_to_converts_only_floating_point_tensors() -> None:
    scenes = sample_scenes(SMALL, [0]).to("cpu", torch.float32)
    assert scenes.half.dtype == torch.float32 and scenes.tile.dtype == torch.int64
