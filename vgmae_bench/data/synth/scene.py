"""Samples synthetic scenes: textured boxes that move in a textured room, filmed by a moving camera.

Each clip is sampled on the CPU from (seed, split, index). It is the same alone, in any batch and on any device. Only
random numbers are made clip by clip; all other code is batched tensor code.

World coordinates: x right, y down, z forward, in arbitrary units. The camera starts near the origin and looks along z.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.data.synth.texture import TILE_SIZE, TILES
from vgmae_bench.errors import UsageError
from vgmae_bench.settings import at_least

Split = Literal["train", "val", "test"]
CLIPS: dict[Split, int] = {"train": 1_000_000, "val": 30, "test": 60}
CANDIDATES_PER_POINT = 4
_BEATS_PER_FRAME = 1 / 16  # the unit of time of all motion
_ROOM_CENTRE = (0.0, 0.0, 1.5)
_TRIES = 8  # sets of paths to choose from


@dataclass(frozen=True)
class SynthConfig:
    """Settings of the dataset.

    Attributes:
        split: "train", "val" or "test". Splits share no random numbers: neither scenes nor textures.
        clips: the number of clips; None for 1 000 000 (train), 30 (val) or 60 (test). Any number is possible, because
            clips are rendered on demand.
        height, width: size of the frames in pixels.
        frames: frames per clip.
        objects: moving boxes per clip; 0 leaves the room empty.
        speed: speed of all motion. 1 moves points by about 3 px per frame at 256 x 256; 0 stops all motion.
        points: tracks per clip. Clips with too few points of unambiguous visibility have fewer.
        seed: seed of all random numbers.

    Raises:
        UsageError: a value is out of range.
    """

    split: Split = "test"
    clips: int | None = None
    height: int = 256
    width: int = 256
    frames: int = 24
    objects: int = 4
    speed: float = 1.0
    points: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, clips=1, height=32, width=32, frames=1, objects=0, speed=0, points=1, seed=0)
        if self.speed == math.inf:
            raise UsageError("speed must be finite", f"it is {self.speed}")

    @property
    def num_clips(self) -> int:
        """The number of clips of the split: `clips`, or the default."""
        return CLIPS[self.split] if self.clips is None else self.clips


@dataclass(frozen=True, eq=False)
class Scenes:
    """A batch of B clips with T frames and S solids each. Solid 0 is the room, seen from inside; the others are boxes.

    A solid has six faces in the order -x, +x, -y, +y, -z, +z of its own axes. All tensors are float64 until `to`.

    Attributes:
        tangent: [B, 2], tangents of half the horizontal and half the vertical angle of view.
        camera_rotation, camera_position: [B, T, 3, 3] and [B, T, 3], camera to world.
        rotation, position: [B, T, S, 3, 3] and [B, T, S, 3], solid to world.
        half: [B, S, 3], half the lengths of a solid's edges.
        tile: int64 [B, S, 6], the texture of each face, as an index into the bank.
        texel: [B, S, 6, 2, 3], from (a, b, 1), a point of the face in the solid's two other axes, to texels.
        colour: [B, S, 6, 3, 4], from (texture's three channels, 1) to RGB in [0, 1].
        candidates: [B, M, 3], uniform in [0, 1): (frame, x, y) of points that may become tracks.
        bank: (seed, split) of the texture bank.
    """

    tangent: Tensor
    camera_rotation: Tensor
    camera_position: Tensor
    rotation: Tensor
    position: Tensor
    half: Tensor
    tile: Tensor
    texel: Tensor
    colour: Tensor
    candidates: Tensor
    bank: tuple[int, Split]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Scenes:
        """The same scenes on another device; floating-point tensors as `dtype`, if given."""
        return self.map(lambda tensor: tensor.to(device, dtype if tensor.is_floating_point() else None))

    def map(self, change: Callable[[Tensor], Tensor]) -> Scenes:
        """The scenes with `change` applied to every tensor."""
        tensors: dict[str, Any] = {name: change(value) for name, value in vars(self).items() if name != "bank"}
        return dataclasses.replace(self, **tensors)


def sample_scenes(config: SynthConfig, indices: Sequence[int]) -> Scenes:
    """The scenes of the clips numbered `indices` of the configured split, float64 on the CPU."""
    draws = [_draw(config, index) for index in indices]
    uniform = {name: torch.from_numpy(np.stack([draw[name] for draw in draws])) for name in draws[0]}
    batch, frames = len(draws), config.frames
    beats = (torch.arange(frames, dtype=torch.float64) - (frames - 1) / 2) * _BEATS_PER_FRAME * config.speed

    vertical = _between(uniform["view"], 0.42, 0.56)
    tangent = torch.stack([vertical * config.width / config.height, vertical], dim=-1)
    # Small movements like those of a hand-held camera, which never comes near a box or a wall.
    sway = _wave(uniform["camera"], beats) * _vector(0.16, 0.12, 0.25, 0.015, 0.02, 0.04)
    # The back wall is always visible, the others sometimes. Wide frames get a wide room.
    room_half = _between(uniform["room"], _vector(4.0, 3.0, 6.5), _vector(6.0, 4.5, 7.5))
    room_half[:, 0] *= max(1.0, config.width / config.height)
    room_position = _vector(*_ROOM_CENTRE).expand(batch, frames, 1, 3)

    position, turn, half = _boxes(uniform, tangent, room_half, beats)
    tile, texel, colour = _surfaces(uniform)
    return Scenes(
        tangent=tangent,
        camera_rotation=rotation_matrix(sway[..., 3:]),
        camera_position=sway[..., :3],
        rotation=rotation_matrix(torch.cat([torch.zeros_like(room_position), turn], dim=2)),
        position=torch.cat([room_position, position], dim=2),
        half=torch.cat([room_half[:, None], half], dim=1),
        tile=tile,
        texel=texel,
        colour=colour,
        candidates=uniform["candidates"],
        bank=(config.seed, config.split),
    )


def rotation_matrix(vector: Tensor) -> Tensor:
    """Rotation vectors [..., 3] (axis times angle, radians) to matrices [..., 3, 3], by Rodrigues' formula."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).view(*vector.shape, 3)
    angle = vector.norm(dim=-1)[..., None, None]
    first, second = torch.sinc(angle / math.pi), 0.5 * torch.sinc(angle / (2 * math.pi)) ** 2
    return torch.eye(3, dtype=vector.dtype, device=vector.device) + first * cross + second * (cross @ cross)


def _draw(config: SynthConfig, index: int) -> dict[str, np.ndarray]:
    """All random values of one clip, as uniform numbers in [0, 1)."""
    rng = np.random.default_rng([config.seed, list(CLIPS).index(config.split), index])
    boxes, solids = config.objects, 1 + config.objects
    shapes: dict[str, tuple[int, ...]] = {
        "view": (),
        "camera": (6, 2, 3),
        "room": (3,),
        "extent": (boxes, 3),
        "flatness": (boxes,),
        "attitude": (boxes, 3),
        "rotation": (boxes, 3, 2, 3),
        "depth": (boxes,),
        "centre": (_TRIES, boxes, 2),
        "path": (_TRIES, boxes, 3, 2, 3),
        "base": (solids, 3),
        "palette": (solids, 3, 3),
        "contrast": (solids, 3),
        "density": (solids,),
        "brightness": (solids, 6),
        "tile": (solids, 6),
        "angle": (solids, 6),
        "shift": (solids, 6, 2),
        "candidates": (max(256, config.points * CANDIDATES_PER_POINT), 3),
    }
    return {name: rng.random(shape) for name, shape in shapes.items()}


def _vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _between(uniform: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    return low + uniform * (high - low)


def _wave(uniform: Tensor, beats: Tensor) -> Tensor:
    """Smooth paths within [-1, 1]: a slow and a faster sine for each of C coordinates.

    Arguments:
        uniform: [..., C, 2, 3], for amplitude, frequency and phase of either sine.
        beats: [T]; the slow sine takes two to six beats a turn, the faster one one to two.

    Returns:
        [..., T, C].
    """
    low = torch.stack([_vector(0.05, 0.16, 0.0), _vector(0.0, 0.5, 0.0)])
    high = torch.stack([_vector(0.8, 0.5, 1.0), _vector(0.2, 1.0, 1.0)])
    amplitude, frequency, phase = _between(uniform, low, high).unsqueeze(-4).unbind(-1)
    return (amplitude * torch.sin(2 * math.pi * (frequency * beats[:, None, None] + phase))).sum(dim=-1)


def _boxes(uniform: dict[str, Tensor], tangent: Tensor, room_half: Tensor, beats: Tensor) -> tuple[Tensor, ...]:
    """Position [B, T, O, 3], rotation vector [B, T, O, 3] and half extents [B, O, 3] of the O boxes.

    Each box keeps to its own range of depths and is as much larger as it is farther, so that all look about as large. Of
    a few sets of paths, a clip gets the one on which boxes keep best away from each other and from the walls.
    """
    batch, count = uniform["depth"].shape
    turn = _between(uniform["attitude"], -0.8, 0.8)[:, :, None] + 0.4 * _wave(uniform["rotation"], beats)
    depth = 2.6 * (5.6 / 2.6) ** ((torch.arange(count) + uniform["depth"]) / max(count, 1))
    flatness = torch.where(uniform["flatness"] < 0.4, 0.25, 1.0)  # four in ten are slabs
    half = depth[..., None] * _between(uniform["extent"], 0.12, 0.20)
    half = torch.cat([half[..., :2], half[..., 2:] * flatness[..., None]], dim=-1)

    aside = tangent[:, None, None] * _between(uniform["centre"], -0.7, 0.7)
    centre = torch.cat([aside, torch.ones_like(aside[..., :1])], dim=-1)[..., None, :]
    paths = depth[:, None, :, None, None] * (centre + _vector(0.18, 0.14, 0.08) * _wave(uniform["path"], beats))

    radius = half.norm(dim=-1)[:, None, :, None]
    apart = (paths[:, :, :, None] - paths[:, :, None]).norm(dim=-1) / (radius[:, :, :, None] + radius[:, :, None])
    apart = apart + torch.eye(count)[..., None]  # a box does not keep away from itself
    to_wall = (room_half[:, None, None, None] - (paths - _vector(*_ROOM_CENTRE)).abs()).amin(dim=-1) / radius
    enough = torch.ones(batch, _TRIES, 1, dtype=paths.dtype)
    room_left = torch.cat([apart.flatten(2), to_wall.flatten(2), enough], dim=-1).amin(dim=-1)
    best = paths[torch.arange(batch), room_left.argmax(dim=1)]
    return best.transpose(1, 2), turn.transpose(1, 2), half


def _surfaces(uniform: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """`tile`, `texel` and `colour` of Scenes."""
    tile = (uniform["tile"] * TILES).long()
    is_room = torch.arange(tile.shape[1]) == 0
    density = torch.where(is_room, 30.0, _between(uniform["density"], 50.0, 80.0))[..., None]  # texels per unit
    angle, shift = 2 * math.pi * uniform["angle"], TILE_SIZE * uniform["shift"]
    cos, sin = density * torch.cos(angle), density * torch.sin(angle)
    texel = torch.stack([cos, -sin, shift[..., 0], sin, cos, shift[..., 1]], dim=-1).view(*angle.shape, 2, 3)

    # A solid has one palette; its faces differ in brightness, as under a fixed light that moves with the solid.
    direction = F.normalize(_between(uniform["palette"], -0.1, 1.0), dim=-2)
    contrast = _between(uniform["contrast"], 0.08, 0.24)[:, :, None]
    base = _between(uniform["base"], 0.25, 0.8)
    palette = torch.cat([direction * contrast, base[..., None]], dim=-1)
    brightness = _between(uniform["brightness"], 0.7, 1.15)[..., None, None]
    return tile, texel, palette[:, :, None] * brightness
