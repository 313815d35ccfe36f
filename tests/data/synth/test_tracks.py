from __future__ import annotations

import numpy as np
import torch

from tests.data.synth.oracle import first_hit, place
from vgmae_bench.data.synth.scene import SynthConfig, sample_scenes
from vgmae_bench.data.synth.tracks import sample_points, track_points

CONFIG = SynthConfig(height=48, width=64, frames=8, points=40, speed=2.0)
CLIPS = range(4)


def test_tracks_follow_their_points_and_occlusion_is_by_depth() -> None:
    scenes = sample_scenes(CONFIG, CLIPS)
    points = sample_points(scenes, 40, 48, 64)
    xy, occluded = track_points(scenes, points, 48, 64)
    assert xy.shape == (4, 40, 8, 2) and occluded.shape == (4, 40, 8)
    for clip in CLIPS:
        for frame in range(8):
            exact = np.stack(
                [
                    place(scenes, clip, frame, int(face) // 6, local.numpy())
                    for face, local in zip(points.face[clip], points.position[clip], strict=True)
                ]
            )
            np.testing.assert_allclose(xy[clip, :, frame], exact[:, :2] * [64, 48], atol=1e-9)
            assert (exact[:, 2] > 0).all()
            outside = ((exact[:, :2] < 0) | (exact[:, :2] >= 1)).any(axis=1)
            behind = exact[:, 2] > first_hit(scenes, clip, frame, exact[:, :2])[0] + 1e-6
            np.testing.assert_array_equal(occluded[clip, :, frame], outside | behind)


def test_occlusion_agrees_with_a_depth_buffer() -> None:
    scenes = sample_scenes(CONFIG, CLIPS)
    points = sample_points(scenes, 40, 48, 64)
    xy, occluded = track_points(scenes, points, 48, 64)
    y, x = np.mgrid[:48, :64] + 0.5
    centres = np.stack([x.ravel() / 64, y.ravel() / 48], axis=1)
    checked = 0
    for clip in CLIPS:
        for frame in range(8):
            buffer = first_hit(scenes, clip, frame, centres)[1].reshape(48, 64)
            for point in range(40):
                column, row = np.floor(xy[clip, point, frame].numpy()).astype(int)
                around = buffer[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
                if 0 <= row < 48 and 0 <= column < 64 and (around == around[0, 0]).all():  # away from outlines
                    assert bool(occluded[clip, point, frame]) == (around[0, 0] != int(points.face[clip, point]))
                    checked += 1
    assert checked > 500


def test_points_are_on_all_solids_seen_somewhere_and_clear() -> None:
    scenes = sample_scenes(CONFIG, CLIPS)
    points = sample_points(scenes, 40, 48, 64)
    assert points.clear.all()
    for clip in CLIPS:
        per_solid = torch.bincount(points.face[clip] // 6, minlength=5)
        assert per_solid[0] <= 20 and (per_solid > 0).sum() >= 4
    xy, occluded = track_points(scenes, points, 48, 64)
    assert (~occluded).any(dim=2).all()
    to_border = torch.cat([xy, torch.tensor([64.0, 48.0]) - xy], dim=-1).amin(dim=-1)
    assert (to_border[~occluded] > 0.3).all()
    on_face = points.position.abs().gather(2, (points.face % 6 // 2)[..., None])[..., 0]
    half = scenes.half.gather(1, (points.face // 6)[..., None].expand(-1, -1, 3))
    expected = half.gather(2, (points.face % 6 // 2)[..., None])[..., 0]
    torch.testing.assert_close(on_face, expected)
    assert (points.position.abs() <= half + 1e-9).all()


def test_clear_points_are_not_near_outlines() -> None:
    scenes = sample_scenes(CONFIG, [0])
    points = sample_points(scenes, 256, 48, 64)
    clear = points.clear[0]
    assert clear.sum() > 40 and (~clear).sum() > 10
    assert clear.int().diff().amax() <= 0  # doubtful ones come last
    _, occluded = track_points(scenes, points, 48, 64)
    for frame in range(8):
        for near in ((-0.2, 0.2), (0.2, -0.2), (0.29, 0.0), (0.0, -0.29)):
            uv = np.array(
                [
                    place(scenes, 0, frame, int(face) // 6, local.numpy())[:2] + np.array(near) / [64, 48]
                    for face, local in zip(points.face[0], points.position[0], strict=True)
                ]
            )
            hidden = first_hit(scenes, 0, frame, uv)[1] != points.face[0].numpy()
            hidden |= ((uv < 0) | (uv >= 1)).any(axis=1)
            agree = hidden == occluded[0, :, frame].numpy()
            assert agree[clear.numpy()].mean() > 0.99


def test_a_batch_equals_its_clips_one_by_one() -> None:
    scenes = sample_scenes(CONFIG, CLIPS)
    xy, occluded = track_points(scenes, sample_points(scenes, 20, 48, 64), 48, 64)
    for index in CLIPS:
        alone = sample_scenes(CONFIG, [index])
        alone_xy, alone_occluded = track_points(alone, sample_points(alone, 20, 48, 64), 48, 64)
        torch.testing.assert_close(xy[index], alone_xy[0], rtol=0, atol=1e-9)
        assert torch.equal(occluded[index], alone_occluded[0])


def test_points_of_a_scene_at_rest_stay() -> None:
    config = SynthConfig(height=48, width=48, frames=4, points=16, speed=0.0)
    scenes = sample_scenes(config, [0])
    xy, occluded = track_points(scenes, sample_points(scenes, 16, 48, 48), 48, 48)
    assert (xy == xy[:, :, :1]).all() and not occluded.any()


def test_a_room_without_boxes_has_points() -> None:
    scenes = sample_scenes(SynthConfig(height=32, width=32, frames=3, points=8, objects=0), [0, 1])
    assert sample_points(scenes, 8, 32, 32).clear.all()
