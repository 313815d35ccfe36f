"""Computes exactly which face a camera ray hits first, for any mixture of clips, frames and points.

A ray through (u, v), in units of the frame, has direction (x, y, 1) in camera axes. The depth z of a point on the ray
is thus the ray's parameter. The inverse depth at which the ray crosses a plane is an affine function of (u, v):

    1/z = n . d(u, v) / (h - n . o)        camera centre o, ray d, plane n . X = h, all in the axes of the solid.

A box is six such planes. A ray enters the box through planes with the camera on their outer side, and leaves it through
the others. It hits the box if it has entered through all of the former before it leaves through any of the latter (slab
method, Kay and Kajiya 1986). So the entry is at the smallest inverse depth of the former, the exit at the largest of
the latter, and the ray hits if 0 < exit <= entry. The room is a box around the camera: the ray hits it at the exit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vgmae_bench.data.synth.scene import Scenes
from vgmae_bench.devices import constant

_NEVER = 1e6  # larger than any inverse depth in view; finite, because infinity times zero is NaN


@dataclass(frozen=True, eq=False)
class Planes:
    """The faces of S solids as seen by R cameras: coefficients of (u, v, 1) that give inverse depths.

    The cameras are the last axis, so that memory is read in order. Indexing selects cameras: `planes[rows]`. None adds
    a dimension for their rays: `planes[:, None, None]`.

    Attributes:
        entry: [S, 3, 3, R], for each axis the face through which rays enter, or a plane nearer than all others.
        entry_face: int64 [S, 3, R], the number of that face (0 to 5).
        exit: [S, 6, 3, R], for all faces through which rays leave; a plane at infinity replaces the other faces.
    """

    entry: Tensor
    entry_face: Tensor
    exit: Tensor

    def __getitem__(self, index: Tensor | slice | tuple[slice | None, ...]) -> Planes:
        last = (..., *index) if isinstance(index, tuple) else (..., index)
        return Planes(self.entry[last], self.entry_face[last], self.exit[last])


@dataclass(frozen=True, eq=False)
class Views:
    """The solids as seen in all frames of all clips: row b * T + t of R.

    Attributes:
        ray: [R, S, 3, 3], from (u, v, 1) to the direction of the ray in the axes of each solid.
        origin: [R, S, 3], the camera centre in the axes of each solid.
        inverse_depth: [R, S, 6, 3], the coefficients of (u, v, 1) for every face.
        planes: the same coefficients, arranged for `nearest_face`.
    """

    ray: Tensor
    origin: Tensor
    inverse_depth: Tensor
    planes: Planes


def views(scenes: Scenes) -> Views:
    """The solids as the cameras of all frames of all clips see them."""
    to_solid = scenes.rotation.transpose(-1, -2)
    ray = to_solid @ scenes.camera_rotation[:, :, None] @ _unproject(scenes.tangent)[:, None, None]
    away = scenes.camera_position[:, :, None] - scenes.position
    origin = (to_solid @ away[..., None])[..., 0]

    sign = constant((-1.0, 1.0), origin)
    distance = scenes.half[:, None, ..., None] - sign * origin[..., None]  # h - n . o, [B, T, S, 3, 2]
    entered = distance < 0
    distance = torch.where(entered, distance.clamp(max=-1 / _NEVER), distance.clamp(min=1 / _NEVER))
    inverse_depth = sign[:, None] * ray[..., None, :] / distance[..., None]
    side = entered[..., 1].long()  # 1 where the positive one of an axis's two faces is entered
    entry = inverse_depth.take_along_dim(side[..., None, None], dim=-2)[..., 0, :]
    nearer_than_all = constant((0.0, 0.0, _NEVER), entry)
    entry = entry.where(entered.any(dim=-1, keepdim=True), nearer_than_all)
    entry_face = side + 2 * torch.arange(3, device=side.device)
    leave = inverse_depth.where(~entered[..., None], 0.0).flatten(3, 4)
    return Views(
        ray=ray.flatten(0, 1),
        origin=origin.flatten(0, 1),
        inverse_depth=inverse_depth.flatten(3, 4).flatten(0, 1),
        planes=Planes(*(part.flatten(0, 1).movedim(0, -1).contiguous() for part in (entry, entry_face, leave))),
    )


def nearest_face(planes: Planes, u: Tensor, v: Tensor) -> Tensor:
    """The face that a ray hits first, as solid * 6 + face: int64, in the shape that u, v and the rows broadcast to.

    Arguments:
        planes: planes with any shape of rows.
        u, v: in units of the frame, also outside it, with as many dimensions as the rows. A grid is cheaper as a row
            and a column than in full.
    """
    best, face = _crossings(planes.exit[0], u, v).max(dim=0)
    for solid in range(1, len(planes.exit)):
        entry, axis = _crossings(planes.entry[solid], u, v).min(dim=0)
        leave = _crossings(planes.exit[solid], u, v).amax(dim=0)
        # `best` is positive, so an entry beyond it lies in front of the camera.
        hit = (entry >= leave) & (entry > best) & (entry < _NEVER)
        best = torch.where(hit, entry, best)
        face = torch.where(hit, solid * 6 + planes.entry_face[solid].take_along_dim(axis[None], dim=0)[0], face)
    return face


def _crossings(planes: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """[P, ...], the inverse depths at which rays cross planes [P, 3, ...]."""
    a, b, c = planes.unbind(1)
    return (a * u + c) + b * v


def _unproject(tangent: Tensor) -> Tensor:
    """[B, 3, 3], from (u, v, 1) to (x, y, 1): x = (2 u - 1) tan of half the horizontal angle of view."""
    zero, one = torch.zeros_like(tangent[:, 0]), torch.ones_like(tangent[:, 0])
    x, y = tangent.unbind(-1)
    return torch.stack([2 * x, zero, -x, zero, 2 * y, -y, zero, zero, one], dim=-1).view(-1, 3, 3)
