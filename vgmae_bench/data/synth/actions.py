"""synth-actions: labelled clips that differ in motion alone. They test whether features encode motion.

Every scene is rendered once per class, so that appearance is balanced exactly. Six coordinates of a scene can move: the
camera's yaw, pitch, roll and angle of view, and the nearest box's distance and sideways position. A class moves one
coordinate along a ramp of T values. The other five stay at one value of the same ramp. These values are drawn so that
every value occurs equally often in a split. A random frame of a clip thus has the same distribution in every class.
Only the order of frames tells the classes apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from vgmae_bench.config import digest
from vgmae_bench.data.synth.dataset import VERSION
from vgmae_bench.data.synth.render import render_video
from vgmae_bench.data.synth.scene import Scenes, SynthConfig, rotation_matrix, sample_scenes
from vgmae_bench.data.video import DEFAULT_FPS, Frames, Video
from vgmae_bench.errors import UsageError
from vgmae_bench.files import cache_folder, make_folder, write_atomically
from vgmae_bench.progress.bar import counted
from vgmae_bench.settings import at_least
from vgmae_bench.types import Size, Uint8Array

ACTIONS_VERSION = 1
"""Counts changes to what any configuration generates; part of the digest."""

Split = Literal["train", "test"]


class Motion(NamedTuple):
    """What a class moves: one of `COORDINATES`, and the direction. 0 means both directions, each in half of the scenes."""

    coordinate: str
    way: int


COORDINATES = {"yaw": 0.16, "pitch": 0.16, "roll": 0.40, "zoom": 0.35, "distance": 0.40, "sideways": 0.30}
"""The largest distance of a path from its middle. Yaw, pitch and roll are in radians, zoom and distance in natural logarithms
of the scale, sideways in halves of the view's width."""

CLASSES: dict[str, Motion | None] = {
    "still": None,
    "pan-left": Motion("yaw", -1),
    "pan-right": Motion("yaw", 1),
    "pan-up": Motion("pitch", 1),
    "pan-down": Motion("pitch", -1),
    "zoom-in": Motion("zoom", 1),
    "zoom-out": Motion("zoom", -1),
    "rotate": Motion("roll", 0),
    "approach": Motion("distance", 1),
    "cross": Motion("sideways", 0),
}

_SLOWEST = 0.6  # the share of a coordinate's reach that the slowest scenes use
_HERO = 1  # the nearest box; solid 0 is the room


@dataclass(frozen=True)
class SynthActionsConfig:
    """Settings of synth-actions.

    Attributes:
        size: side of the square frames in pixels.
        frames: frames per clip, T.
        train_scenes, test_scenes: multiples of T and of 2, which balances the values of coordinates that do not move.
        seed: seed of all random numbers.

    Raises:
        UsageError: a value is out of range.
    """

    size: int = 64
    frames: int = 8
    train_scenes: int = 40
    test_scenes: int = 24
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, size=64, frames=2, seed=0)
        for name in ("train_scenes", "test_scenes"):
            scenes = getattr(self, name)
            if scenes < 1 or scenes % self.frames or scenes % 2:
                what = f"synth-actions: {name} must be a multiple of 2 and of the {self.frames} frames of a clip"
                raise UsageError(what, f"it is {scenes}")

    def scenes(self, split: Split) -> int:
        """Number of scenes of a split."""
        return self.train_scenes if split == "train" else self.test_scenes


class SynthActions:
    """One split of synth-actions. Clip number = scene * C + class, with C classes. Rendered on first use and cached on disk.

    Attributes:
        labels: int64 [N], index into `CLASSES`.
        digest: SHA-256 of the generator's versions, the settings and the split.
    """

    def __init__(self, config: SynthActionsConfig, split: Split) -> None:
        self.config, self.split = config, split
        self.labels = np.tile(np.arange(len(CLASSES)), config.scenes(split))
        self.digest = digest({"synth": VERSION, "actions": ACTIONS_VERSION, "split": split, "config": config})
        self._shape = (len(self.labels), config.frames, config.size, config.size, 3)

    @property
    def ids(self) -> Sequence[str]:
        """Split, scene and class, for example "test-00003-zoom-in"."""
        scenes = range(self.config.scenes(self.split))
        return [f"{self.split}-{scene:05d}-{name}" for scene in scenes for name in CLASSES]

    def open(self, index: int) -> ArrayVideo:
        """A clip as a video."""
        return ArrayVideo.of(self.frames[index])

    @cached_property
    def frames(self) -> Uint8Array:
        """uint8 [N, T, size, size, 3] RGB, read from the cache as needed.

        Raises:
            StorageError: the cache cannot be written to.
        """
        file = cache_folder() / "synth-actions" / f"{self.digest[:16]}-{self.split}.npy"
        with suppress(OSError, ValueError, EOFError):  # missing or damaged
            kept = np.load(file, mmap_mode="r", allow_pickle=False)
            if kept.shape == self._shape and kept.dtype == np.uint8:
                return np.asarray(kept)
        make_folder(file.parent)
        write_atomically(file, self._render)
        return np.asarray(np.load(file, mmap_mode="r"))

    def _render(self, path: Path) -> None:
        array = np.lib.format.open_memmap(path, "w+", np.uint8, self._shape)
        by_scene = array.reshape(-1, len(CLASSES), *self._shape[1:])
        for scene in counted(range(len(by_scene)), f"rendering synth-actions {self.split}", "scenes"):
            by_scene[scene] = render_scene(self.config, self.split, scene).numpy()
        array.flush()


@dataclass(frozen=True, eq=False)
class ArrayVideo(Video):
    """Frames in memory, uint8 [T, H, W, 3]."""

    pixels: Uint8Array

    @classmethod
    def of(cls, pixels: Uint8Array) -> ArrayVideo:
        """The video of these frames."""
        return cls((pixels.shape[1], pixels.shape[2]), DEFAULT_FPS, len(pixels), pixels)

    def frames(self, size: Size | None = None, *, start: int = 0, stride: int = 1, threads: int = 0) -> Frames:
        """See `Video.frames`."""
        for frame in self.pixels[start::stride]:
            height, width = size or self.size
            yield np.array(Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC))


def paths(config: SynthActionsConfig, split: Split) -> npt.NDArray[np.float64]:
    """The value of every coordinate in every frame: [scenes, classes, T, coordinates], each from -1 to 1."""
    scenes, names = config.scenes(split), list(COORDINATES)
    rng = np.random.default_rng([config.seed, *b"paths", *split.encode()])
    ramp = np.linspace(-1, 1, config.frames)
    rest = np.stack([rng.permutation(np.resize(ramp, scenes)) for _ in names], axis=-1)
    either = np.stack([rng.permutation(np.resize([-1, 1], scenes)) for _ in names], axis=-1)
    places = np.broadcast_to(rest[:, None, None], (scenes, len(CLASSES), config.frames, len(names))).copy()
    for number, motion in enumerate(CLASSES.values()):
        if motion is not None:
            moved = names.index(motion.coordinate)
            ways = np.full(scenes, motion.way) if motion.way else either[:, moved]
            places[:, number, :, moved] = ways[:, None] * ramp
    return places


def render_scene(config: SynthActionsConfig, split: Split, scene: int) -> Tensor:
    """One scene rendered once per class: uint8 [classes, T, size, size, 3] RGB."""
    rng = np.random.default_rng([config.seed, *b"reach", *split.encode(), scene])
    reach = np.array(list(COORDINATES.values())) * rng.uniform(_SLOWEST, 1, len(COORDINATES))
    places = torch.from_numpy(paths(config, split)[scene] * reach).flatten(0, 1)
    settings = SynthConfig(split, height=config.size, width=config.size, frames=1, speed=0.0, seed=config.seed)
    posed = _pose(sample_scenes(settings, [scene]), places)
    return render_video(posed, config.size, config.size).view(len(CLASSES), config.frames, config.size, config.size, 3)


def _pose(scene: Scenes, places: Tensor) -> Scenes:
    """A scene of one frame, [1, ...], as F scenes of one frame each, at places [F, coordinates] of `COORDINATES`."""
    posed = scene.map(lambda tensor: tensor.repeat_interleave(len(places), dim=0))
    yaw, pitch, roll, zoom, distance, sideways = places.unbind(-1)
    # Axes of the camera: x right, y down, z forward; positive angles turn it to the right, up, and clockwise.
    x, y, z = torch.eye(3, dtype=places.dtype, device=places.device)
    turns = [rotation_matrix(angle[:, None] * axis) for angle, axis in ((yaw, y), (pitch, x), (roll, z))]
    start = posed.camera_rotation[:, 0]
    camera, hero = posed.camera_position[:, 0], posed.position[:, 0, _HERO]
    seen = ((hero - camera)[:, None] @ start)[:, 0]  # in the axes of the camera
    seen[:, :2] *= 0.4  # towards the middle of the view, so that its whole path is visible
    seen[:, 0] += sideways * seen[:, 2] * posed.tangent[:, 0]
    seen = seen * torch.exp(-distance)[:, None]
    posed.position[:, 0, _HERO] = camera + (start @ seen[..., None])[..., 0]
    return dataclasses.replace(
        posed,
        camera_rotation=(start @ turns[0] @ turns[1] @ turns[2])[:, None],
        tangent=posed.tangent * torch.exp(-zoom)[:, None],
    )
