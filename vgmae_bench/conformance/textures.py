"""Clips with known motion: affine maps move a band-limited texture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vgmae_bench.resizing import Size
from vgmae_bench.types import Queries

Frames = npt.NDArray[np.uint8]
Warp = npt.NDArray[np.float64]
"""float64 [2, 3]: takes raster positions of the unmoved texture to raster positions of a frame."""

_WAVES = 48
_LONGEST, _SHORTEST = 48.0, 8.0
"""Wavelengths in pixels. The shortest is far above two pixels: no warp of a check aliases."""


def clip(warps: Sequence[Warp], size: Size, seed: int = 0) -> Frames:
    """Frames of a texture that moves.

    The texture is a sum of plane waves, which has an exact value at every position. Frames are therefore not
    interpolated, and their motion is exact to the rounding of grey levels.

    Arguments:
        warps: one per frame.
        size: (height, width) of the frames.
        seed: seed of the texture.

    Returns:
        uint8 [T, H, W, 3] RGB.
    """
    waves = _waves(seed)
    return np.stack([_frame(waves, warp, size) for warp in warps])


def covered(frames: Frames, centre: tuple[float, float], side: int, since: int, seed: int = 99) -> Frames:
    """A copy of the frames. From frame `since` on, a square of another texture, `side` pixels wide, covers `centre`."""
    result = frames.copy()
    left, top = (max(round(value - side / 2), 0) for value in centre)
    patch = clip([affine((side, side))], (side, side), seed)[0]
    region = result[since:, top : top + side, left : left + side]
    region[:] = patch[: region.shape[1], : region.shape[2]]
    return result


def affine(size: Size, scale: float = 1.0, angle: float = 0.0, move: tuple[float, float] = (0.0, 0.0)) -> Warp:
    """A zoom and a rotation (radians) about the middle of the frame, then a translation (x, y) in pixels."""
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    centre = np.array([size[1] / 2, size[0] / 2])
    return np.concatenate([linear, (centre - linear @ centre + np.array(move))[:, None]], axis=1)


def moved(xy: npt.NDArray[np.floating], warps: Sequence[Warp]) -> npt.NDArray[np.float64]:
    """Positions of the texture's points in every frame: float [N, 2] → float64 [N, T, 2]."""
    stacked = np.stack(warps)
    turned = np.einsum("tij,nj->nti", stacked[:, :, :2], xy.astype(np.float64))
    return np.asarray(turned + stacked[None, :, :, 2])


def points(count: int, frame: int | Sequence[int], size: Size, seed: int, inner: float = 0.4) -> Queries:
    """Random queries in the central part of the frame, which is `inner` times as wide and as high as the frame.

    Arguments:
        frame: the query frame of all queries, or one for each query.
    """
    low, high = 0.5 - inner / 2, 0.5 + inner / 2
    xy = np.random.default_rng(seed).uniform(low, high, (count, 2)) * np.array([size[1], size[0]])
    frames = np.broadcast_to(np.asarray(frame, dtype=np.int64), (count,)).copy()
    return Queries(frames, xy.astype(np.float32))


class _Waves(NamedTuple):
    """Plane waves: vectors float64 [2, K] in radians per pixel, phases [K], and amplitudes of the colours [K, 3]."""

    vector: npt.NDArray[np.float64]
    phase: npt.NDArray[np.float64]
    colour: npt.NDArray[np.float64]


def _waves(seed: int) -> _Waves:
    rng = np.random.default_rng(seed)
    length = np.exp(rng.uniform(math.log(_SHORTEST), math.log(_LONGEST), _WAVES))
    angle = rng.uniform(0, 2 * math.pi, _WAVES)
    vector = 2 * math.pi / length * np.stack([np.cos(angle), np.sin(angle)])
    colour = rng.standard_normal((_WAVES, 3)) + rng.standard_normal((_WAVES, 1))  # grey differs most
    return _Waves(vector, rng.uniform(0, 2 * math.pi, _WAVES), 45 * colour / math.sqrt(_WAVES))


def _frame(waves: _Waves, warp: Warp, size: Size) -> Frames:
    """One frame. An affine map of a plane wave is a plane wave; sin(a + b) makes it two products of a row and a column."""
    height, width = size
    inverse = np.linalg.inv(warp[:, :2])
    along_x, along_y = inverse.T @ waves.vector
    phase = waves.phase - waves.vector.T @ inverse @ warp[:, 2]
    x = np.outer(np.arange(width) + 0.5, along_x) + phase
    y = np.outer(np.arange(height) + 0.5, along_y)
    channels = [(np.cos(y) * part) @ np.sin(x).T + (np.sin(y) * part) @ np.cos(x).T for part in waves.colour.T]
    return np.clip(np.round(128 + np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)
