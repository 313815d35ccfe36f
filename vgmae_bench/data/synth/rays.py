"""What a ray of the camera hits first, exact, for any mixture of clips, frames and points.

A ray through (u, v), in units of the frame, has direction (x, y, 1) in the camera, so the depth z of a point is its
parameter, and the *inverse* depth at which the ray crosses a plane is an affine function of (u, v):

    1/z = n . d(u, v) / (h - n . o)        camera centre o, ray d, plane n . X = h, all in the axes of the solid.

A box is six such planes. Those whose outside holds the camera are entered, the others left; the ray hits the box where
it has entered all of the first and left none of the second (the slab method, Kay and Kajiya 1986). Hence: entry at the
smallest inverse depth of the first, exit at the largest of the second, a hit where 0 < exit <= entry. The room is a box
the camera is in: it is hit where it would be left.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vgmae_bench.data.synth.scene import Scenes

_NEVER = 1e6  # an inverse depth that no plane in view has; finite, as infinity times zero is not a number


@dataclass(frozen=True, eq=False)
class Planes:
    """The faces of S solids as R cameras meet them: coefficients of (u, v, 1) that give inverse depths.

    The cameras come last, so that lists of rays are read along memory. Indexing picks cameras: `planes[rows]`; None adds
    a dimension for their rays: `planes[:, None, None]`.

    Attributes:
        entry: [S, 3, 3, R], for the face across each axis that is entered, or for a plane nearer than all.
        entry_face: int64 [S, 3, R], which of the six faces that is.
        exit: [S, 6, 3, R], for all faces that are left, and for a plane at infinity in place of the others.
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
        planes: the same, sorted out for `nearest_face`.
    """

    ray: Tensor
    origin: Tensor
    inverse_depth: Tensor
    planes: Planes


def views(scenes: Scenes) -> Views:
    """What the cameras of all frames of all clips see."""
    to_solid = scenes.rotation.transpose(-1, -2)
    ray = to_solid @ scenes.camera_rotation[:, :, None] @ _unproject(scenes.tangent)[:, None, None]
    away = scenes.camera_position[:, :, None] - scenes.position
    origin = (to_solid @ away[..., None])[..., 0]

    sign = torch.tensor([-1.0, 1.0], dtype=origin.dtype, device=origin.device)
    distance = scenes.half[:, None, ..., None] - sign * origin[..., None]  # h - n . o, [B, T, S, 3, 2]
    entered = distance < 0
    distance = torch.where(entered, distance.clamp(max=-1 / _NEVER), distance.clamp(min=1 / _NEVER))
    inverse_depth = sign[:, None] * ray[..., None, :] / distance[..., None]
    side = entered[..., 1].long()  # 1 where the positive one of an axis's two faces is entered
    entry = inverse_depth.take_along_dim(side[..., None, None], dim=-2)[..., 0, :]
    nearer_than_all = torch.tensor([0.0, 0.0, _NEVER], dtype=entry.dtype, device=entry.device)
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
    """The face that a ray hits first, solid * 6 + face, int64 of the shape that u, v and the rows broadcast to.

    Arguments:
        planes: of any shape of rows.
        u, v: in units of the frame, inside of it or not, of as many dimensions as the rows. A grid is cheaper as a row
            and a column than in full.
    """
    best, face = _crossings(planes.exit[0], u, v).max(dim=0)
    for solid in range(1, len(planes.exit)):
        entry, axis = _crossings(planes.entry[solid], u, v).min(dim=0)
        leave = _crossings(planes.exit[solid], u, v).amax(dim=0)
        hit = (entry >= leave) & (entry > best) & (entry < _NEVER)  # best is positive: entry is before the camera
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
