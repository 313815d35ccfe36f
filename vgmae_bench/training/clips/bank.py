"""A bank of rendered `synth` scenes on disk. Many different clips are cut from each scene.

Rendering takes most of the time of a small training. A bank renders each scene once. A clip is then a random window of a
random scene, with a random stride, forwards or backwards, mirrored or transposed, and with permuted colour channels. All of
this depends on the training's seed and the clip's number only. Tracks are transformed in the same way.

The bank is in the cache folder, in parts of `PART` scenes. Each part is written atomically, so that a killed training
continues with the existing parts, and several trainings can share one bank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vgmae_bench.config import Json, digest
from vgmae_bench.data.files.root import check_disk_space
from vgmae_bench.data.synth.dataset import VERSION
from vgmae_bench.data.synth.kept import keep, read_kept
from vgmae_bench.data.synth.tracks import sample_points, track_points
from vgmae_bench.errors import UsageError
from vgmae_bench.files import cache_folder, storage_errors
from vgmae_bench.progress.bar import Progress
from vgmae_bench.training.clips.synthetic import clip_seed, synth_scenes, synth_video
from vgmae_bench.training.recipe import ClipShape

PART = 64
"""Number of scenes per file."""
POINTS = 96
"""Number of tracks per scene."""


class BankClips(NamedTuple):
    """Clips with tracks.

    Attributes:
        video: uint8 [B, T, S, S, 3] RGB.
        xy: float32 [B, POINTS, T, 2], (x, y) in units of the frame, also where a point is occluded.
        occluded: bool [B, POINTS, T].
        clear: bool [B, POINTS]: the point's visibility is unambiguous in every frame.
    """

    video: Tensor
    xy: Tensor
    occluded: Tensor
    clear: Tensor


@dataclass(frozen=True)
class BankConfig:
    """Settings of a bank.

    Attributes:
        scenes: number of scenes, rounded up to whole parts.
        frames: frames per scene.
        image_size: side of the square frames in pixels.
        speed: see `vgmae_bench.data.synth`.
        seed: seed of the scenes.
    """

    scenes: int
    frames: int
    image_size: int
    speed: float
    seed: int

    def __post_init__(self) -> None:
        if self.scenes < 1 or self.frames < 2:
            raise UsageError("A bank needs scenes of two frames or more", f"{self.scenes} scenes, {self.frames} frames")

    @property
    def bytes(self) -> int:
        """Approximate size on disk."""
        return self.scenes * self.frames * (3 * self.image_size**2 + 9 * POINTS)


class Bank:
    """The scenes of a configuration. Scenes that are not in the cache are rendered."""

    def __init__(self, config: BankConfig) -> None:
        self._config = config
        whole: dict[str, Json] = {"version": VERSION, "points": POINTS, **asdict(config)}
        key = digest({name: value for name, value in whole.items() if name != "scenes"})
        self._parts = _open(config, cache_folder() / "synth-bank" / key[:32])

    def read(self, numbers: Sequence[int], shape: ClipShape) -> BankClips:
        """The clips with these numbers. Their strides are between 1 and `shape.stride`.

        Raises:
            UsageError: the bank's scenes are shorter than the clips, or have another size.
        """
        config = self._config
        if shape.frames > config.frames or shape.image_size != config.image_size:
            raise UsageError(
                f"The bank has scenes of {config.frames} frames of {config.image_size} pixels",
                f"clips of {shape.frames} frames of {shape.image_size} pixels are needed",
                try_=f"--set bank_frames={max(shape.frames, 12)}",
            )
        clips = [self._clip(np.random.default_rng(clip_seed(config.seed, number)), shape) for number in numbers]
        return BankClips(*(torch.stack(values) for values in zip(*clips, strict=True)))

    def _clip(self, rng: np.random.Generator, shape: ClipShape) -> BankClips:
        part, row = divmod(int(rng.integers(self._config.scenes)), PART)
        video, xy, occluded, clear = (values[row] for values in self._parts[part])
        largest = min(shape.stride, (self._config.frames - 1) // (shape.frames - 1)) if shape.frames > 1 else 1
        stride = int(rng.integers(1, largest + 1))
        span = (shape.frames - 1) * stride + 1
        frames = int(rng.integers(self._config.frames - span + 1)) + stride * torch.arange(shape.frames)
        backwards, across, down, turned = (bool(coin) for coin in rng.integers(0, 2, size=4))
        if backwards:
            frames = frames.flip(0)
        video, xy, occluded = video[frames], xy[:, frames], occluded[:, frames]
        if across:
            video, xy = video.flip(2), torch.stack([1 - xy[..., 0], xy[..., 1]], dim=-1)
        if down:
            video, xy = video.flip(1), torch.stack([xy[..., 0], 1 - xy[..., 1]], dim=-1)
        if turned:
            video, xy = video.transpose(1, 2), xy.flip(-1)
        return BankClips(video[..., torch.from_numpy(rng.permutation(3))], xy, occluded, clear)


def _open(config: BankConfig, folder: Path) -> list[BankClips]:
    """All parts in order. Missing and damaged parts are rendered."""
    files = [folder / f"{first:06d}.safetensors" for first in range(0, config.scenes, PART)]
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    found = {file: _read(file) for file in files}
    missing = [file for file, part in found.items() if part is None]
    if missing:
        check_disk_space(config.bytes * len(missing) // len(files), folder, "to render a bank of synthetic clips")
    with Progress("rendering the bank", "scenes", len(missing) * PART) as progress:
        for file in missing:
            part = _render(config, range(int(file.stem), int(file.stem) + PART))
            keep(file, part._asdict())
            found[file] = part
            progress.advance(PART)
    return [part for part in found.values() if part is not None]


def _render(config: BankConfig, numbers: range) -> BankClips:
    size = config.image_size
    scenes = synth_scenes(config.seed, numbers, ClipShape(config.frames, size, 1, config.speed), POINTS)
    points = sample_points(scenes, POINTS, size, size)
    xy, occluded = track_points(scenes, points, size, size)
    return BankClips(synth_video(scenes, size), (xy / size).float(), occluded, points.clear)


def _read(file: Path) -> BankClips | None:
    """A memory-mapped part; None if it does not exist or is damaged."""
    arrays = read_kept(file, BankClips._fields)
    return None if arrays is None else BankClips(*arrays)
