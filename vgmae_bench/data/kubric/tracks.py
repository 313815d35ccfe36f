"""Derives point tracks from Kubric's rendered layers: the path of the surface point at a pixel, and when it is visible.

The derivation is that of TAP-Vid-Kubric (Doersch et al., arXiv:2211.03726; challenges/point_tracking/dataset.py of
google-research/kubric), without a crop. Three things differ. Random numbers come from a seed. Computation is in
float64. Scenes with too few candidates give fewer tracks, where the original repeats one.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vgmae_bench.data.kubric.scene import KubricScene
from vgmae_bench.types import BoolArray, FloatArray

VERSION = 1
"""Must increase whenever the same seed gives other tracks."""
STRIDE = 4  # spacing of the grid of candidates, in frames, rows and columns
MOST_OF_SEGMENT = 0.1  # share of the candidates of a segment that may be drawn
DEPTH_TOLERANCE = 0.99  # a surface nearer than this share of a point's distance hides the point
ROUGH = 0.05  # if normals of neighbours differ by more, a normal map may have made them

Int = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class KubricTracks:
    """N tracks through T frames.

    Attributes:
        frame: int64 [N], the frame in which each track was sampled, which is its query frame.
        xy: float32 [N, T, 2], raster pixels, also for hidden points; NaN if the point has no projection.
        occluded: bool [N, T].
    """

    frame: Int
    xy: npt.NDArray[np.float32]
    occluded: BoolArray


def derive_tracks(scene: KubricScene, name: str, seed: int = 0, count: int = 256) -> KubricTracks:
    """At most `count` tracks of a scene, shared equally among segments. A segment gives at most a tenth of its candidates.

    Arguments:
        name: the scene's name. With `seed`, it decides all random numbers, so a scene's tracks do not depend on other
            scenes.
    """
    draws = _Draws(seed, name)
    where = _candidates(scene, draws)
    segment = scene.segments[tuple(where)].astype(np.int64)
    budget = _budget(np.bincount(segment), count)
    groups = [_follow(scene, 0, where[:, :0])]  # no points, so that a scene without any candidate has zero tracks
    for number in np.flatnonzero(budget):
        here = where[:, segment == number]
        drawn = here[:, draws.below(here.shape[1], budget[number])]  # with replacement
        groups.append(_follow(scene, int(number), drawn))
    frames, places, hidden = (np.concatenate(part) for part in zip(*groups, strict=True))
    return KubricTracks(frames, places.astype(np.float32), hidden)


class _Draws:
    """Random numbers that no version of NumPy can change: they are made here from the raw bits of PCG64."""

    def __init__(self, seed: int, name: str) -> None:
        self._bits = np.random.PCG64([seed, zlib.crc32(name.encode())])

    def below(self, limit: int, count: int) -> Int:
        """int64 [count], uniform in 0 … limit - 1."""
        uniform = (self._bits.random_raw(count) >> np.uint64(11)) * 2.0**-53
        return (uniform * limit).astype(np.int64)


def _candidates(scene: KubricScene, draws: _Draws) -> Int:
    """[3, M]: (frame, row, column) of a grid that starts at a random place."""
    starts = draws.below(STRIDE, 3)
    axes = [np.arange(start, size, STRIDE) for start, size in zip(starts, scene.segments.shape, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)


def _budget(candidates: Int, count: int) -> Int:
    """The number of points to sample from each segment. Segments share what smaller segments leave, in equal parts."""
    budget = np.zeros_like(candidates)
    left = count
    for place, number in enumerate(np.argsort(candidates, kind="stable")):
        share = np.round(left / (len(candidates) - place))
        budget[number] = min(share, np.round(MOST_OF_SEGMENT * candidates[number]))
        left -= budget[number]
    return budget


def _follow(scene: KubricScene, segment: int, where: Int) -> tuple[Int, FloatArray, BoolArray]:
    """(frame [n], xy [n, T, 2], occluded [n, T]) of the points of a segment that are visible at `where` [3, n]."""
    camera = rotation_matrices(scene.camera_quaternion)
    if segment:
        local = scene.coordinates[tuple(where)] / 65535 - 0.5
        world = np.concatenate([local, np.ones((len(local), 1))], axis=1) @ _box_to_world(scene.boxes[segment - 1])
    else:
        world = np.broadcast_to(_unproject(scene, camera, where), (len(scene.frames), where.shape[1], 3))
    away = world - scene.camera_position[:, None]
    x, y, z = np.moveaxis(away @ camera, -1, 0)  # [T, n] each, in the axes of the camera
    with np.errstate(divide="ignore", invalid="ignore"):
        xy = np.stack([0.5 - scene.focal * x / z, 0.5 + scene.focal * y / z], axis=-1) * scene.segments.shape[1]
    hidden = (z >= 0) | ~((xy >= 0) & (xy <= scene.segments.shape[1])).all(axis=-1)
    hidden |= _covered(scene, segment, xy, np.linalg.norm(away, axis=-1))
    if segment:
        hidden |= _turned_away(scene, segment, where, away)
    return where[0], np.where(np.isfinite(xy), xy, np.nan).swapaxes(0, 1), hidden.T


def _box_to_world(corners: FloatArray) -> FloatArray:
    """[T, 4, 3]: maps (x, y, z, 1) in a unit box about the origin to the world, by least squares over its corners."""
    unit = np.array(list(itertools.product([-0.5, 0.5], repeat=3)))
    return np.asarray(np.linalg.pinv(np.concatenate([unit, np.ones((8, 1))], axis=1)) @ corners)


def _unproject(scene: KubricScene, camera: FloatArray, where: Int) -> FloatArray:
    """[n, 3]: the world points that are visible at pixels."""
    frame, row, column = where
    size = scene.segments.shape[1]
    u, v = (column + 0.5) / size, (row + 0.5) / size
    ray = np.stack([(u - 0.5) / scene.focal, (0.5 - v) / scene.focal, -np.ones(len(u))], axis=-1)
    ray *= (scene.depth[tuple(where)] / np.linalg.norm(ray, axis=-1))[:, None]
    return np.asarray((camera[frame] @ ray[..., None])[..., 0] + scene.camera_position[frame])


def _covered(scene: KubricScene, segment: int, xy: FloatArray, distance: FloatArray) -> BoolArray:
    """bool [T, n]: all four pixels around a point lie in front of it (by more than 1 %), or belong to other segments."""
    size = scene.segments.shape[1]
    # Positions outside the frame, or not finite, are clamped to the border.
    low = np.floor(np.clip(np.nan_to_num(xy), -1, size + 1) - 0.5).astype(np.int64)
    columns, rows = (np.clip(np.stack([low[..., axis], low[..., axis] + 1]), 0, size - 1) for axis in (0, 1))
    around = np.arange(len(xy))[:, None], rows[:, None], columns[None]
    nearer = scene.depth[around].max(axis=(0, 1)) < DEPTH_TOLERANCE * distance
    return np.asarray(nearer | (scene.segments[around] != segment).all(axis=(0, 1)))


def _turned_away(scene: KubricScene, segment: int, where: Int, away: FloatArray) -> BoolArray:
    """bool [T, n]: the surface at a point faces away from the camera.

    False where normals are rough. Also False if the surface already faces away in the query frame: the point is visible
    there, so its normal cannot be trusted.
    """
    frame = where[0]
    turns = rotation_matrices(scene.quaternions[segment - 1])
    normal = scene.normals[tuple(where)] / 65535 * 2 - 1
    local = (turns[frame].swapaxes(-1, -2) @ normal[..., None])[..., 0]
    facing = np.einsum("tij,nj,tni->tn", turns, local, away)
    turned = facing > 0
    trusted = _smooth(scene.normals, where) & ~turned[frame, np.arange(len(frame))]
    return np.asarray(turned & trusted)


def _smooth(normals: npt.NDArray[np.uint16], where: Int) -> BoolArray:
    """bool [n]: at least two of a pixel's four diagonal neighbours have about its normal. Outside, normals are 0."""
    frame, row, column = where
    size = normals.shape[1]

    def normal(down: int, across: int) -> FloatArray:
        rows, columns = row + down, column + across
        inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
        found = normals[frame, rows.clip(0, size - 1), columns.clip(0, size - 1)] / 65535 * 2 - 1
        return np.where(inside[:, None], found, 0)

    corners = np.stack([normal(down, across) for down in (-1, 1) for across in (-1, 1)])
    return np.asarray((((corners - normal(0, 0)) ** 2).sum(axis=-1) <= ROUGH**2).sum(axis=0) >= 2)


def rotation_matrices(quaternions: FloatArray) -> FloatArray:
    """[..., 3, 3] of quaternions (w, x, y, z) [..., 4] of any length but 0."""
    w, x, y, z = np.moveaxis(quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
