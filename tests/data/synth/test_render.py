from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from vgmae_bench.data.synth import render as synth_render
from vgmae_bench.data.synth.dataset import Synth
from vgmae_bench.data.synth.render import render_video
from vgmae_bench.data.synth.scene import Scenes, SynthConfig, sample_scenes

SMALL = SynthConfig(height=32, width=48, frames=5, points=12)


def test_a_batch_equals_its_clips_one_by_one() -> None:
    batch = render_video(sample_scenes(SMALL, range(4)), 32, 48)
    assert batch.shape == (4, 5, 32, 48, 3) and batch.dtype == torch.uint8
    for index in range(4):
        assert torch.equal(batch[index], render_video(sample_scenes(SMALL, [index]), 32, 48)[0])


def test_frames_do_not_depend_on_how_many_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = sample_scenes(SMALL, [0])
    together = render_video(scenes, 32, 48)
    monkeypatch.setitem(synth_render._PIXELS_AT_ONCE, "cpu", 1)
    assert torch.equal(together, render_video(scenes, 32, 48))


def test_a_scene_at_rest_gives_one_picture() -> None:
    frames = render_video(sample_scenes(dataclasses.replace(SMALL, speed=0.0), [0]), 32, 48)[0]
    assert (frames == frames[:1]).all()


def white_card_on_black(left: float, top: float, right: float, bottom: float) -> Scenes:
    """A plain white box whose front covers that part of a 64 x 64 raster, before a black wall."""
    scenes = sample_scenes(SynthConfig(height=64, width=64, frames=1, objects=1, points=1), [0])
    for rotation in (scenes.rotation, scenes.camera_rotation):
        rotation[:] = torch.eye(3, dtype=torch.float64)
    scenes.camera_position[:] = 0
    scenes.tangent[:] = 0.5
    scenes.colour[:] = 0
    scenes.colour[0, 1, :, :, 3] = 1
    depth, per_pixel = 4.0, 2 * 4.0 * 0.5 / 64
    centre = ((left + right) / 2 - 32, (top + bottom) / 2 - 32)
    scenes.position[0, 0, 1] = torch.tensor([*(value * per_pixel for value in centre), depth + 0.1])
    scenes.half[0, 1] = torch.tensor([(right - left) / 2 * per_pixel, (bottom - top) / 2 * per_pixel, 0.1])
    return scenes


def test_a_rendered_quad_is_at_its_projected_position() -> None:
    frame = render_video(white_card_on_black(16, 8, 48, 40), 64, 64)[0, 0]
    expected = torch.zeros(64, 64, 3, dtype=torch.uint8)
    expected[8:40, 16:48] = 255  # pixel k covers raster coordinates k to k + 1
    assert torch.equal(frame, expected)


def test_outlines_are_smooth() -> None:
    frame = render_video(white_card_on_black(16.5, 8.25, 48.5, 40), 64, 64)[0, 0, ..., 0]
    assert frame[20, 15:18].tolist() == [0, 128, 255]  # half of pixel 16 is covered
    assert frame[20, 47:50].tolist() == [255, 128, 0]
    assert frame[7:10, 30].tolist() == [0, 191, 255]  # three quarters of pixel 8


def test_tracked_points_keep_their_colours() -> None:
    config = SynthConfig(height=96, width=96, frames=10, points=48, clips=3)
    data = Synth(config)

    def unrest(shift: float) -> float:
        """Median over points and frames of the difference from the point's median colour, in grey levels."""
        off = []
        for clip_id in data.ids:
            clip = data.clip(clip_id)
            seen = sample(clip.frames(), clip.tracks() + shift * np.linspace(-1, 1, config.frames)[:, None])
            colours = np.where(clip.occluded[..., None], np.nan, seen)
            off.append(np.abs(colours - np.nanmedian(colours, axis=1, keepdims=True)))
        return float(np.nanmedian(np.concatenate(off)))

    assert unrest(0.0) < 1.5
    assert unrest(0.5) > 2 * unrest(0.0)  # it is seen when tracks slide over the picture by a pixel from first to last


def sample(frames: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """Bilinear colours [N, T, 3] of frames [T, H, W, 3] at raster positions [N, T, 2]."""
    size = np.array([frames.shape[2], frames.shape[1]])
    grid = torch.from_numpy(2 * tracks / size - 1).transpose(0, 1)[:, :, None]
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).double()
    found = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return found[..., 0].permute(2, 0, 1).numpy()


def test_rendered_frames_have_texture_almost_everywhere() -> None:
    config = SynthConfig(height=128, width=128, frames=1, points=1)
    frames = render_video(sample_scenes(config, range(8)), 128, 128)[:, 0].numpy().astype(float)
    blocks = frames.reshape(8, 8, 16, 8, 16, 3).std(axis=(2, 4)).max(axis=-1)
    assert (blocks > 5).mean() > 0.95


@pytest.mark.gpu
def test_a_gpu_gives_the_same_frames() -> None:
    scenes = sample_scenes(SMALL, range(4))
    difference = render_video(scenes.to("cuda"), 32, 48).cpu().int() - render_video(scenes, 32, 48).int()
    assert (difference.abs() > 1).float().mean() < 0.002
