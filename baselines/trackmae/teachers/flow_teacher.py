"""The teacher without weights: pyramidal Lucas-Kanade. Lost points move with their neighbours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from vgmae_baselines.lucas_kanade.tracker import LucasKanade, LucasKanadeConfig

from vgmae_bench.config import Json, to_json
from vgmae_bench.types import Queries

from .teacher import TeacherTracks, grid_points

VERSION = 1
"""Must increase whenever the tracks change."""
WINDOW = 21 / 224
"""Side of the matched window, as a share of the frame's side."""
SMALLEST_WINDOW = 7
MAX_ERROR = 1.0
"""Largest forward-backward error in pixels."""


class FlowTeacher:
    """Tracks every point separately until it is lost; see `vgmae_baselines.lucas_kanade`.

    It uses as many threads as torch, one clip per thread.
    """

    def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> TeacherTracks:
        """See `vgmae_baselines.trackmae.teachers.teacher.Teacher`. `numbers` is not used."""
        height, width = video.shape[2:4]
        tracker = LucasKanade(_config(height, width))
        queries = Queries(np.zeros(grid * grid, dtype=np.int64), grid_points(height, width, grid).numpy())
        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="flow") as pool:
            found = list(pool.map(lambda frames: tracker.track(frames, queries), video.cpu().numpy()))
        xy = torch.from_numpy(np.stack([tracks.xy for tracks in found]))
        visible = torch.from_numpy(np.stack([tracks.visible for tracks in found]))
        return TeacherTracks(carry_lost(xy, visible).to(video.device), visible.to(video.device))

    def describe(self) -> Json:
        """Everything that the tracks depend on, as plain JSON."""
        settings = to_json(_config(224, 224))
        return {"teacher": "lucas-kanade", "version": VERSION, "at 224": settings, "opencv": cv2.__version__}


def carry_lost(xy: Tensor, visible: Tensor) -> Tensor:
    """Move points that stay hidden until the end by the median step of their visible neighbours on the grid.

    Without such neighbours they keep their own steps.

    Arguments:
        xy, visible: float [B, N, T, 2] and bool [B, N, T]. The N points are a square grid in raster order.
    """
    side, frames = round(xy.shape[1] ** 0.5), xy.shape[2]
    steps = xy.diff(dim=2)
    seen = visible[:, :, 1:] & visible[:, :, :-1]
    maps = steps.where(seen[..., None], torch.nan).flatten(2).mT.unflatten(2, (side, side))
    around = F.pad(maps, (1, 1, 1, 1), value=torch.nan).unfold(2, 3, 1).unfold(3, 3, 1)
    median = around.flatten(4).nanmedian(dim=-1).values.flatten(2).mT.unflatten(2, (frames - 1, 2))
    again = visible.flip(2).int().cummax(dim=2).values.flip(2)[:, :, 1:] == 1
    steps = torch.where((~again)[..., None] & ~median.isnan(), median, steps)
    return torch.cat([xy[:, :, :1], xy[:, :, :1] + steps.cumsum(dim=2)], dim=2)


def _config(height: int, width: int) -> LucasKanadeConfig:
    window = max(SMALLEST_WINDOW, round(WINDOW * min(height, width)) // 2 * 2 + 1)
    return LucasKanadeConfig(window=window, max_error=MAX_ERROR)
