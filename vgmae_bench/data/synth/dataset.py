"""The embedded data set: videos made on demand, with exact tracks and occlusion, without any download.

`Synth` is the data set that the harness evaluates on. For training, `sample_scenes`, `render_video`, `sample_points` or
`points_seen`, and `track_points` make whole batches on any device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from vgmae_bench.config import Json, digest, to_json
from vgmae_bench.data.synth.render import render_video
from vgmae_bench.data.synth.scene import Scenes, SynthConfig, sample_scenes
from vgmae_bench.data.synth.tracks import SurfacePoints, points_seen, sample_points, track_points
from vgmae_bench.errors import UnknownNameError
from vgmae_bench.types import Clip

__all__ = [
    "Scenes",
    "SurfacePoints",
    "Synth",
    "SynthConfig",
    "points_seen",
    "render_video",
    "sample_points",
    "sample_scenes",
    "track_points",
]

VERSION = 1
"""Counts changes to what any configuration generates; part of the digest."""


class Synth:
    """Textured boxes that move through a textured room, before a moving camera; see `SynthConfig` for the settings."""

    def __init__(self, config: SynthConfig) -> None:
        self.config = config

    @cached_property
    def ids(self) -> Sequence[str]:
        """ "test-00000" and so on."""
        return tuple(self._id(index) for index in range(self.config.num_clips))

    @property
    def digest(self) -> str:
        """SHA-256 of the generator's version and the settings."""
        return digest({"synth": VERSION, **self.options})

    @property
    def options(self) -> dict[str, Json]:
        """The settings, with the number of clips filled in."""
        settings = to_json(self.config)
        assert isinstance(settings, dict)  # it is a dataclass
        return {**settings, "clips": self.config.num_clips}

    def clip(self, clip_id: str) -> Clip:
        """One clip; its tracks are computed here, its frames when they are read.

        Raises:
            UnknownNameError: there is no such clip.
        """
        config = self.config
        scenes = sample_scenes(config, [self._index(clip_id)])
        points = sample_points(scenes, config.points, config.height, config.width)
        xy, occluded = track_points(scenes, points, config.height, config.width)

        def read() -> npt.NDArray[np.uint8]:
            return render_video(scenes, config.height, config.width)[0].numpy()

        clear = points.clear[0]
        return Clip(
            id=clip_id,
            size=(config.height, config.width),
            points=xy[0, clear].numpy() / [config.width, config.height],
            occluded=occluded[0, clear].numpy(),
            read=read,
        )

    def _id(self, index: int) -> str:
        return f"{self.config.split}-{index:05d}"

    def _index(self, clip_id: str) -> int:
        number = clip_id.rpartition("-")[2]
        index = int(number) if number.isdecimal() else 0
        if index >= self.config.num_clips or clip_id != self._id(index):
            last = self._id(self.config.num_clips - 1)
            raise UnknownNameError(f'synth has no clip "{clip_id}"', f"its clips are {self._id(0)} to {last}")
        return index
