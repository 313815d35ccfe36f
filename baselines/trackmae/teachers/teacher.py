"""What a teacher is: it says how a grid of points moves through clips.

Positions are raster pixels (x, y) of the clip, pixel centres at +0.5. Grid points are the centres of the cells of a G x G
division of the first frame, row by row: at 224 pixels and G = 14 the centres of 16-pixel patches, pixel indices 7.5 + 16 k.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.config import Json


class TeacherTracks(NamedTuple):
    """Where the N = G * G points of a grid over the first frame go.

    Attributes:
        xy: float32 [B, N, T, 2] raster pixels, known (or guessed) where a point is hidden, too.
        visible: bool [B, N, T].
    """

    xy: Tensor
    visible: Tensor


class Teacher(Protocol):
    """Follows a grid of points through clips."""

    def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> TeacherTracks:
        """Tracks of the grid x grid points, on the device of the video.

        Arguments:
            video: uint8 [B, T, H, W, 3] RGB, whole clips as their source made them.
            numbers: of the clips, see `vgmae_bench.training.recipe.Batch`.
        """
        ...

    def describe(self) -> Json:
        """What the tracks of a clip depend on besides the clip and the grid."""
        ...


def grid_points(height: int, width: int, grid: int) -> Tensor:
    """float32 [grid * grid, 2]: the centres of the cells of a frame of that size."""
    share = (torch.arange(grid) + 0.5) / grid
    y, x = torch.meshgrid(share * height, share * width, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def crop_tracks(tracks: TeacherTracks, boxes: Tensor, size: tuple[int, int], out_size: int, grid: int) -> TeacherTracks:
    """What tracks over whole frames say about crops: the tracks of a grid over each crop.

    A point of the crop's grid moves like the grid points around it in the whole frame (bilinear; beyond the outermost ones,
    like those), so it pays to have a finer grid there. It is visible while most of them are, by weight, and in the crop.

    Arguments:
        tracks: of whole frames.
        boxes: [B, 4], the crops' x, y, width and height in units of the frame.
        size: (height, width) of the whole frames, pixels.
        out_size: side of the square that crops are resampled to, pixels.
        grid: points along a side of the crop.

    Returns:
        Raster pixels of the resampled crops.
    """
    B, N, T, _ = tracks.xy.shape
    side = round(N**0.5)
    device = tracks.xy.device
    frame = torch.tensor([size[1], size[0]], device=device, dtype=torch.float32)
    moved = tracks.xy - grid_points(*size, side).to(device)[:, None]
    corner, extent = boxes.to(device, torch.float32)[:, None].split(2, dim=-1)
    places = corner + extent * grid_points(1, 1, grid).to(device)  # [B, grid * grid, 2], units of the frame
    maps = torch.cat([moved, tracks.visible[..., None].float()], dim=-1)
    maps = maps.flatten(2).transpose(1, 2).reshape(B, 3 * T, side, side)
    read = F.grid_sample(maps, places[:, None] * 2 - 1, padding_mode="border", align_corners=False)
    motion, seen = read[:, :, 0].transpose(1, 2).reshape(B, -1, T, 3).split([2, 1], dim=-1)
    xy = ((places * frame)[:, :, None] + motion - (corner * frame)[:, None]) / (extent * frame)[:, None] * out_size
    inside = ((xy >= 0) & (xy < out_size)).all(dim=-1)
    return TeacherTracks(xy, inside & (seen[..., 0] > 0.5))
