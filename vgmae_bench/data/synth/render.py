"""Renders synthetic scenes: all frames of a batch at once, on the CPU or on a GPU.

Rays go through the corners of the pixels. If the four corners of a pixel see one face, the pixel shows the face's
texture at the pixel's centre, blurred to the size of a pixel. The few pixels on an outline are averaged over four rays.
Edges are thus smooth and textures do not flicker, at about the cost of one ray per pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vgmae_bench.data.synth.rays import Planes, Views, nearest_face, views
from vgmae_bench.data.synth.scene import Scenes
from vgmae_bench.data.synth.texture import look_up, texture_bank
from vgmae_bench.devices import constant

_OUTLINE_X = (1 / 8, 3 / 8, 5 / 8, 7 / 8)  # four rays in an outline pixel; no two share a row or a column
_OUTLINE_Y = (5 / 8, 1 / 8, 7 / 8, 3 / 8)
_PIXELS_AT_ONCE = {"cpu": 2**16}  # about what fits in a core's cache
_PIXELS_ON_A_GPU = 2**22  # about what fills one


def render_video(scenes: Scenes, height: int, width: int) -> Tensor:
    """uint8 [B, T, height, width, 3] RGB on the device of the scenes, computed in float32.

    The aspect ratio of height and width must be the one that the scenes were sampled for, or pixels are not square.
    """
    device = scenes.half.device
    scenes = scenes.to(device, torch.float32)
    seen = views(scenes)
    bank = texture_bank(*scenes.bank, device)
    video = torch.empty(len(seen.origin), height, width, 3, dtype=torch.uint8, device=device)
    paint = paint_of(scenes, seen)
    step = max(1, _PIXELS_AT_ONCE.get(device.type, _PIXELS_ON_A_GPU) // (height * width))
    for start in range(0, len(video), step):
        rows = slice(start, start + step)
        video[rows] = _render(seen.planes[rows], paint[:, rows], bank, height, width)
    return video.view(*scenes.camera_position.shape[:2], height, width, 3)


def paint_of(scenes: Scenes, seen: Views) -> Tensor:
    """[22, R, 6 S]: the values of each face that the colour of a ray depends on.

    Rows 0-2, 3-5 and 6-8 are coefficients of (u, v, 1): texel x over depth, texel y over depth, one over depth (all
    affine, like the inverse depth itself). Row 9 is the tile. Rows 10-21 are the entries of `Scenes.colour`.
    """
    frames, faces = scenes.camera_position.shape[1], scenes.tile[0].numel()
    across = torch.tensor([[1, 2], [1, 2], [0, 2], [0, 2], [0, 1], [0, 1]], device=seen.origin.device)  # axes of a face
    per_frame = {name: getattr(scenes, name).repeat_interleave(frames, dim=0) for name in ("texel", "tile", "colour")}
    turn, shift = per_frame["texel"].split([2, 1], dim=-1)
    at_camera = turn @ seen.origin[:, :, across, None] + shift
    texels = turn @ seen.ray[:, :, across] + at_camera * seen.inverse_depth[..., None, :]
    columns = [
        texels.flatten(-2),
        seen.inverse_depth,
        per_frame["tile"][..., None].to(texels.dtype),
        per_frame["colour"].flatten(-2),
    ]
    return torch.cat(columns, dim=-1).reshape(-1, faces, 22).permute(2, 0, 1).contiguous()


def _render(planes: Planes, paint: Tensor, bank: Tensor, height: int, width: int) -> Tensor:
    """uint8 [R, height, width, 3]."""
    rows, faces = paint.shape[1:]
    paint = paint.flatten(1)
    first = torch.arange(rows, device=paint.device)[:, None, None] * faces  # column of a row's first face
    x = torch.arange(width + 1, device=paint.device, dtype=paint.dtype)[None, None]
    y = torch.arange(height + 1, device=paint.device, dtype=paint.dtype)[None, :, None]
    corner = nearest_face(planes[:, None, None], x / width, y / height)
    face = corner[:, :-1, :-1]
    u, v = ((x[..., :-1] + 0.5) / width).expand_as(face), ((y[:, :-1] + 0.5) / height).expand_as(face)
    rgb = _colour(paint, (first + face).flatten(), u.flatten(), v.flatten(), bank, 1 / height)

    outline = (face != corner[:, :-1, 1:]) | (face != corner[:, 1:, :-1]) | (face != corner[:, 1:, 1:])
    row, line, column = outline.nonzero(as_tuple=True)
    u = (column + constant(_OUTLINE_X, paint)[:, None]) / width
    v = (line + constant(_OUTLINE_Y, paint)[:, None]) / height
    face = row * faces + nearest_face(planes[row[None]], u, v)
    fine = _colour(paint, face.flatten(), u.flatten(), v.flatten(), bank, 1 / (2 * height))
    rgb[:, outline.flatten()] = fine.view(3, *u.shape).mean(dim=1)
    return (rgb * 255 + 0.5).to(torch.uint8).view(3, rows, height, width).permute(1, 2, 3, 0)


def _colour(paint: Tensor, face: Tensor, u: Tensor, v: Tensor, bank: Tensor, spacing: float) -> Tensor:
    """RGB [3, P] in [0, 1] of rays (u, v) [P] that hit faces [P] (columns of `paint`). Rays are `spacing` apart in v."""
    ax, bx, cx, ay, by, cy, az, bz, cz, tile, *mix = paint.index_select(1, face)
    depth = 1 / (az * u + bz * v + cz)
    texel_x = (ax * u + bx * v + cx) * depth
    texel_y = (ay * u + by * v + cy) * depth
    # Quotient rule: texels per unit of u and of v. A pixel's longer side in the texture sets the blur.
    along_u = torch.hypot(ax - texel_x * az, ay - texel_y * az)
    along_v = torch.hypot(bx - texel_x * bz, by - texel_y * bz)
    footprint = torch.maximum(along_u, along_v) * depth * spacing
    texture = look_up(bank, tile, texel_x, texel_y, footprint)
    channels = [
        mix[4 * i] * texture[0] + mix[4 * i + 1] * texture[1] + mix[4 * i + 2] * texture[2] + mix[4 * i + 3]
        for i in range(3)
    ]
    return torch.stack(channels).clamp(0, 1)
