"""The dataset `synth`: clips rendered on demand, with exact tracks and occlusion, without any download.

Evaluation uses `Synth`. Training uses the functions of `scene`, `render` and `tracks` for whole batches on any device.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from vgmae_bench.config import Json, digest
from vgmae_bench.data.synth.kept import keep, make_room, read_kept
from vgmae_bench.data.synth.render import render_video
from vgmae_bench.data.synth.scene import SynthConfig, sample_scenes
from vgmae_bench.data.synth.tracks import sample_points, track_points
from vgmae_bench.errors import StorageError
from vgmae_bench.files import cache_folder
from vgmae_bench.types import Clip, Uint8Array

_log = logging.getLogger(__name__)

VERSION = 1
"""Grows whenever any configuration generates something else. It is part of the digest."""


class Synth:
    """Textured boxes that move in a textured room, filmed by a moving camera. See `SynthConfig` for the settings.

    Attributes:
        options: the settings, with the number of clips filled in.
        digest: SHA-256 of the generator's version and the settings.
    """

    def __init__(self, config: SynthConfig) -> None:
        self.config = config
        self.options: dict[str, Json] = {**vars(config), "clips": config.num_clips}
        self.digest = digest({"synth": VERSION, **self.options})

    @cached_property
    def ids(self) -> Sequence[str]:
        """Split and number, such as "test-00000"."""
        return tuple(f"{self.config.split}-{index:05d}" for index in range(self.config.num_clips))

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id. Its tracks are computed here, its frames when they are read. The cache folder keeps both."""
        config, index = self.config, int(clip_id.rpartition("-")[2])
        file = self._folder / f"{clip_id}.safetensors"
        arrays = read_kept(file, ("points", "occluded"))
        known = arrays is not None
        if arrays is None:
            scenes = sample_scenes(config, [index])
            points = sample_points(scenes, config.points, config.height, config.width)
            xy, hidden = track_points(scenes, points, config.height, config.width)
            clear = points.clear[0]
            shares = xy[0, clear].numpy() / [config.width, config.height]
            arrays = [torch.from_numpy(shares), hidden[0, clear]]
        else:
            with suppress(OSError):
                file.touch()  # it is in use
        positions, occluded = arrays

        def read() -> Uint8Array:
            found = read_kept(file, ("video",)) if known else None
            if found is not None:
                return found[0].numpy()
            video = render_video(sample_scenes(config, [index]), config.height, config.width)[0]
            self._keep(file, {"video": video, "points": positions, "occluded": occluded})
            return video.numpy()

        return Clip(
            id=clip_id,
            size=(config.height, config.width),
            points=positions.numpy(),
            occluded=occluded.numpy(),
            read=read,
        )

    @cached_property
    def _folder(self) -> Path:
        """The cache folder for rendered clips, shared by processes.

        Clips do not depend on the number of clips. Another version of torch may render with different rounding, so it
        has another folder.
        """
        settings = {name: value for name, value in self.options.items() if name != "clips"}
        key = digest({"synth": VERSION, "torch": torch.__version__, **settings})
        return cache_folder() / "synth" / key[:32]

    def _keep(self, file: Path, arrays: dict[str, Tensor]) -> None:
        """Keep a clip for later methods. If it cannot be kept, it is rendered again."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if make_room(self._folder.parent, sum(array.nbytes for array in arrays.values())):
                keep(file, arrays)
        except (OSError, StorageError) as error:
            _log.warning("Clips of synth are not kept: %s", error)
