from __future__ import annotations

import numpy as np
import torch

from tests.data.synth.oracle import first_hit
from vgmae_bench.data.synth.rays import nearest_face, views
from vgmae_bench.data.synth.scene import SynthConfig, sample_scenes

CONFIG = SynthConfig(height=32, width=48, frames=4, points=4, speed=3.0)


def test_the_nearest_face_is_found_also_outside_of_the_frame() -> None:
    scenes = sample_scenes(CONFIG, range(6))
    uv = np.random.default_rng(0).uniform(-0.3, 1.3, (6, 4, 300, 2))
    u, v = torch.from_numpy(uv).flatten(0, 1).unbind(-1)
    found = nearest_face(views(scenes).planes[:, None], u, v).view(6, 4, 300).numpy()
    expected = np.stack([[first_hit(scenes, clip, t, uv[clip, t])[1] for t in range(4)] for clip in range(6)])
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 20


def test_a_grid_equals_its_points_one_by_one() -> None:
    planes = views(sample_scenes(CONFIG, [0])).planes
    u, v = torch.linspace(0, 1, 7)[None, None], torch.linspace(0, 1, 5)[None, :, None]
    grid = nearest_face(planes[:, None, None], u, v)
    points = nearest_face(planes[:, None], u.expand(1, 5, 7).reshape(1, 35), v.expand(1, 5, 7).reshape(1, 35))
    assert grid.shape == (4, 5, 7)
    assert torch.equal(grid.flatten(1), points)


def test_a_ray_enters_a_box_through_one_face() -> None:
    scenes = sample_scenes(SynthConfig(frames=1, objects=1, points=1), [0])
    scenes.rotation[:] = torch.eye(3, dtype=torch.float64)
    scenes.camera_rotation[:] = torch.eye(3, dtype=torch.float64)
    scenes.camera_position[:] = 0
    scenes.position[0, 0, 1] = torch.tensor([0.0, 0.0, 4.0], dtype=torch.float64)
    scenes.half[0, 1] = 0.5
    centre = torch.full((1, 1), 0.5)
    assert nearest_face(views(scenes).planes[:, None], centre, centre).item() == 6 + 4
    scenes.position[0, 0, 1, 0] = 3.0
    assert nearest_face(views(scenes).planes[:, None], centre, centre).item() < 6
