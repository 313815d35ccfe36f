"""The oracle: exact tracks of synthetic clips, from their scenes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vgmae_bench.config import Json
from vgmae_bench.data.synth.dataset import VERSION
from vgmae_bench.data.synth.scene import Scenes
from vgmae_bench.data.synth.tracks import points_seen, track_points
from vgmae_bench.errors import UsageError
from vgmae_bench.training.clips.synthetic import synth_scenes, synth_video
from vgmae_bench.training.recipe import ClipShape

from .teacher import TeacherTracks, grid_points

ROUNDING = 2
"""Largest difference of a pixel, in grey levels, when a scene is rendered on another device."""


class GroundTruth:
    """Finds the scene of each clip by its number. See `vgmae_baselines.trackmae.teachers.teacher.Teacher`.

    Arguments:
        seed, speed: of the training with these clips.
    """

    def __init__(self, seed: int, speed: float) -> None:
        self._seed, self._speed = seed, speed

    def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> TeacherTracks:
        """Exact tracks. Points are visible in the first frame; later they can be hidden or outside.

        Raises:
            UsageError: a clip is not `synth`'s clip with its number.
        """
        frames, height, width = video.shape[1:4]
        if len(numbers) != len(video):
            raise _unknown(f"{len(video)} clips came with {len(numbers)} numbers")
        scenes = synth_scenes(self._seed, numbers, ClipShape(frames, height, speed=self._speed)).to(video.device)
        first = synth_video(_first_frame(scenes), width)[:, 0]
        if (first.int() - video[:, 0].int()).abs().float().mean() > ROUNDING:
            raise _unknown("the clips do not show the scenes of their numbers")
        places = grid_points(1, 1, grid).to(video.device, scenes.half.dtype)
        where = torch.cat([torch.zeros_like(places[:, :1]), places], dim=1).expand(len(video), -1, -1)
        xy, occluded = track_points(scenes, points_seen(scenes, where), height, width)
        return TeacherTracks(xy.float(), ~occluded)

    def describe(self) -> Json:
        """Everything that the tracks depend on, as plain JSON."""
        return {"teacher": "ground-truth", "synth": VERSION}


def _first_frame(scenes: Scenes) -> Scenes:
    per_frame = ("camera_rotation", "camera_position", "rotation", "position")
    return replace(scenes, **{name: getattr(scenes, name)[:, :1] for name in per_frame})


def _unknown(why: str) -> UsageError:
    return UsageError(
        "ground-truth knows the tracks of synthetic clips only", why, try_="--data synth alone, or teacher=lucas-kanade"
    )
