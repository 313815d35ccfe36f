"""Computes exact tracks of points on the surfaces of synthetic scenes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.data.synth.rays import nearest_face, views
from vgmae_bench.data.synth.scene import Scenes
from vgmae_bench.devices import constant

_DOUBT = 0.3  # pixels; closer to an outline or to the border, visibility is ambiguous
_GRAZING = 0.1  # cosine of the angle between ray and normal; below it, visibility is ambiguous


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """Points fixed to the solids of a batch of scenes.

    Attributes:
        face: int64 [B, N], solid * 6 + face.
        position: [B, N, 3], in the axes of the solid.
        clear: bool [B, N]: the point's visibility is unambiguous in every frame.
    """

    face: Tensor
    position: Tensor
    clear: Tensor


def sample_points(scenes: Scenes, count: int, height: int, width: int) -> SurfacePoints:
    """Sample `count` points per scene, each visible in at least one frame. Small solids get as many as large ones.

    A point is not `clear` if it comes within 0.3 px (of frames of height x width) of an outline or of the border, or if the
    camera sees it at a grazing angle. Such points are last, and are used only if there are too few clear points.
    """
    points = points_seen(scenes, scenes.candidates)
    place = _places(scenes, points)
    near = _DOUBT * torch.tensor([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]], dtype=place.dtype, device=place.device)
    around = place[:, :, None] + (near / torch.tensor([width, height], device=place.device))[:, None]
    visible = _visible(scenes, points, around)
    doubtful = (visible != visible[:, :, :1]).any(dim=2) | (visible[:, :, 0] & _grazing(scenes, points, place))
    clear = ~doubtful.any(dim=1)

    # A point's rank is the number of clear points of its solid so far. Points that are not clear come last.
    solid = points.face // 6
    solids = scenes.half.shape[1]
    turn = (F.one_hot(solid, solids) * clear[..., None]).cumsum(dim=1).gather(2, solid[..., None])[..., 0]
    order = torch.where(clear, turn * solids + solid, torch.iinfo(torch.int64).max)
    chosen = order.argsort(dim=1, stable=True)[:, :count]
    position = points.position.gather(1, chosen[..., None].expand(-1, -1, 3))
    return SurfacePoints(points.face.gather(1, chosen), position, clear.gather(1, chosen))


def points_seen(scenes: Scenes, where: Tensor) -> SurfacePoints:
    """The surface points that the camera sees at given places.

    Arguments:
        where: [B, M, 3] in [0, 1), dtype of the scenes: frame number, x and y, each divided by its range.

    Returns:
        M points per scene. Ambiguity of their visibility is not checked: `clear` is true.
    """
    frames = scenes.camera_position.shape[1]
    when, u, v = where.unbind(-1)
    row = (when * frames).long() + frames * torch.arange(len(when), device=when.device)[:, None]
    row, u, v = row.flatten(), u.flatten(), v.flatten()
    seen = views(scenes)
    face = nearest_face(seen.planes[row], u, v)
    through = torch.stack([u, v, torch.ones_like(u)], dim=-1)[..., None]
    depth = 1 / (seen.inverse_depth[row, face // 6, face % 6, None] @ through)
    position = seen.origin[row, face // 6] + (seen.ray[row, face // 6] @ through * depth)[..., 0]
    return SurfacePoints(face.view(when.shape), position.view(*when.shape, 3), torch.ones_like(when, dtype=torch.bool))


def track_points(scenes: Scenes, points: SurfacePoints, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The exact positions of points in every frame, also while they are hidden.

    Returns:
        xy: [B, N, T, 2], raster pixels of frames of height x width.
        occluded: bool [B, N, T]: something nearer hides the point, its face is turned away, or it is outside the frame.
    """
    place = _places(scenes, points)
    visible = _visible(scenes, points, place[:, :, None])[:, :, 0]
    raster = constant((width, height), place)
    return (place * raster).transpose(1, 2), ~visible.transpose(1, 2)


def _places(scenes: Scenes, points: SurfacePoints) -> Tensor:
    """[B, T, N, 2]: (u, v) of the points in units of the frame."""
    rotation, position = (_per_point(part, points) for part in (scenes.rotation, scenes.position))
    world = (rotation @ points.position[:, None, :, :, None])[..., 0] + position
    away = (world - scenes.camera_position[:, :, None])[..., None]
    camera = (scenes.camera_rotation.transpose(-1, -2)[:, :, None] @ away)[..., 0]
    return 0.5 + 0.5 * camera[..., :2] / (camera[..., 2:] * scenes.tangent[:, None, None])


def _visible(scenes: Scenes, points: SurfacePoints, places: Tensor) -> Tensor:
    """bool [B, T, K, N]: the camera sees the face of a point at each of its K places, [B, T, K, N, 2]."""
    u, v = places.flatten(0, 1).unbind(-1)
    face = nearest_face(views(scenes).planes[:, None, None], u, v).view(places.shape[:-1])
    return (face == points.face[:, None, None]) & ((places >= 0) & (places < 1)).all(dim=-1)


def _grazing(scenes: Scenes, points: SurfacePoints, place: Tensor) -> Tensor:
    """bool [B, T, N]: the camera sees a point's face at a grazing angle."""
    to_solid = _per_point(views(scenes).ray.view(scenes.rotation.shape), points)
    through = torch.cat([place, torch.ones_like(place[..., :1])], dim=-1)
    ray = (to_solid @ through[..., None])[..., 0]
    axis = (points.face % 6 // 2)[:, None, :, None].expand(-1, place.shape[1], -1, 1)
    grazing: Tensor = ray.gather(-1, axis)[..., 0].abs() < _GRAZING * ray.norm(dim=-1)
    return grazing


def _per_point(per_solid: Tensor, points: SurfacePoints) -> Tensor:
    """[B, T, N, ...]: the entries of [B, T, S, ...] for the solid of each point."""
    batch = torch.arange(len(points.face), device=points.face.device)[:, None]
    found: Tensor = per_solid.transpose(1, 2)[batch, points.face // 6]
    return found.transpose(1, 2)
