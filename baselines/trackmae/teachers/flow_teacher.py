"""The teacher without weights: pyramidal Lucas-Kanade, with lost points carried along by their neighbours."""

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
"""Counts changes to what tracks come out."""
WINDOW = 21 / 224
"""Side of the matched window, as a share of the frame's."""
SMALLEST_WINDOW = 7
MAX_ERROR = 1.0
"""Pixels by which flow there and back may miss its start."""


class FlowTeacher:
    """Follows every point by itself while it can; see `vgmae_baselines.lucas_kanade`.

    Clips are worked on by as many threads as torch uses.
    """

    def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> TeacherTracks:
        """See `vgmae_baselines.trackmae.teachers.teacher.Teacher`; the numbers do not matter."""
        height, width = video.shape[2:4]
        tracker = LucasKanade(_config(height, width))
        queries = Queries(np.zeros(grid * grid, dtype=np.int64), grid_points(height, width, grid).numpy())
        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="flow") as pool:
            found = list(pool.map(lambda frames: tracker.track(frames, queries), video.cpu().numpy()))
        xy = torch.from_numpy(np.stack([tracks.xy for tracks in found]))
        visible = torch.from_numpy(np.stack([tracks.visible for tracks in found]))
        return TeacherTracks(carry_lost(xy, visible).to(video.device), visible.to(video.device))

    def describe(self) -> Json:
        """What the tracks depend on, as plain JSON."""
        settings = to_json(_config(224, 224))
        return {"teacher": "lucas-kanade", "version": VERSION, "at 224": settings, "opencv": cv2.__version__}


def carry_lost(xy: Tensor, visible: Tensor) -> Tensor:
    """Points that are never seen again go on by the median step of the points next to them on the grid that are seen.

    Without such neighbours they keep their own steps. (cotracker3.md's stand-in takes a median in the same places.)

    Arguments:
        xy: float [B, N, T, 2], visible: bool [B, N, T]; the N points are a square grid, row by row.
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
