"""The interface of teachers, which provide the tracks of a grid of points.

Positions are raster pixels (x, y) of the clip, with pixel centres at +0.5. Grid points are the centres of the cells of a G x
G division of the first frame, in raster order. At 224 pixels with G = 14, they are the centres of 16-pixel patches: pixel
indices 7.5 + 16 k.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.config import Json
from vgmae_bench.devices import constant, placed


class TeacherTracks(NamedTuple):
    """Tracks of the N = G * G points of a grid on the first frame.

    Attributes:
        xy: float32 [B, N, T, 2], raster pixels; known (or estimated) also where a point is hidden.
        visible: bool [B, N, T].
    """

    xy: Tensor
    visible: Tensor


class Teacher(Protocol):
    """Tracks a grid of points through clips."""

    def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> TeacherTracks:
        """Track the grid x grid points. The result is on the device of the video.

        Arguments:
            video: uint8 [B, T, H, W, 3] RGB, unchanged clips of their source.
            numbers: numbers of the clips; see `vgmae_bench.training.recipe.Batch`.
        """
        ...

    def describe(self) -> Json:
        """Everything that tracks depend on, besides the clip and the grid."""
        ...


def grid_points(height: int, width: int, grid: int) -> Tensor:
    """float32 [grid * grid, 2]: the centres of the cells of a frame of height x width pixels."""
    share = (torch.arange(grid) + 0.5) / grid
    y, x = torch.meshgrid(share * height, share * width, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def crop_tracks(tracks: TeacherTracks, boxes: Tensor, size: tuple[int, int], out_size: int, grid: int) -> TeacherTracks:
    """The tracks of a grid on each crop, from tracks on whole frames.

    A point of the crop's grid moves like the surrounding grid points of the whole frame (bilinear; outside them, like the
    nearest). A finer grid on the whole frame is thus more accurate. The point is visible if most of them are, by weight, and
    if it is in the crop. Arguments:
        tracks: tracks on whole frames.
        boxes: [B, 4], x, y, width and height of the crops in units of the frame.
        size: (height, width) of the whole frames in pixels.
        out_size: side of the resampled square crops in pixels.
        grid: number of points along a side of the crop.

    Returns:
        The tracks, in raster pixels of the resampled crops.
    """
    B, N, T, _ = tracks.xy.shape
    side = round(N**0.5)
    device = tracks.xy.device
    frame = constant((size[1], size[0]), tracks.xy.float())
    moved = tracks.xy - placed(grid_points, *size, side, device=device)[:, None]
    corner, extent = boxes.to(device, torch.float32)[:, None].split(2, dim=-1)
    places = corner + extent * placed(grid_points, 1, 1, grid, device=device)  # [B, grid * grid, 2], units of the frame
    maps = torch.cat([moved, tracks.visible[..., None].float()], dim=-1)
    maps = maps.flatten(2).transpose(1, 2).reshape(B, 3 * T, side, side)
    read = F.grid_sample(maps, places[:, None] * 2 - 1, padding_mode="border", align_corners=False)
    motion, seen = read[:, :, 0].transpose(1, 2).reshape(B, -1, T, 3).split([2, 1], dim=-1)
    xy = ((places * frame)[:, :, None] + motion - (corner * frame)[:, None]) / (extent * frame)[:, None] * out_size
    inside = ((xy >= 0) & (xy < out_size)).all(dim=-1)
    return TeacherTracks(xy, inside & (seen[..., 0] > 0.5))
