"""The interface of teachers, which provide the tracks of a grid of points.

Positions are raster pixels (x, y) of the clip, with pixel centres at +0.5. Grid points are the centres of the cells of a G x
G division of the first frame, in raster order. At 224 pixels with G = 14, they are the centres of 16-pixel patches: pixel
indices 7.5 + 16 k.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vgmae_bench.config import Json


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

    def describe(self) -> Json:
        """Everything that tracks depend on, besides the clip and the grid."""


def grid_points(height: int, width: int, grid: int) -> Tensor:
    """float32 [grid * grid, 2]: the centres of the cells of a frame of height x width pixels."""
    share = (torch.arange(grid) + 0.5) / grid
    y, x = torch.meshgrid(share * height, share * width, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)
