"""Tracks points through a clip by flow: chained from frame to frame, or directly from the query's frame.

Source: arXiv 2409.16288 (GMRW-C and GMRW-D), and the official code for the ends of a clip. Positions are raster pixels (x,
y). They can leave the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.devices import to_device
from vgmae_bench.models.points import inside
from vgmae_bench.types import Size

from .flow import Flows

FlowsBetween = Callable[[int, int], Flows]
"""Maps the numbers of two frames to the flow from the first to the second, and back."""


class Points(NamedTuple):
    """Queries: frame int64 [N], xy [N, 2]. Frame numbers are on the host, which uses them to select what to compute."""

    frame: npt.NDArray[np.int64]
    xy: Tensor


class Paths(NamedTuple):
    """Positions xy [N, T, 2] and bool visible [N, T]."""

    xy: Tensor
    visible: Tensor


def chain(flows: FlowsBetween, num_frames: int, points: Points, size: Size, tolerance: float) -> Paths:
    """Track each point by the flow of adjacent frames, forward and backward from its query.

    A step is reliable if flow forth and back returns to within `tolerance` pixels. A point inside the frame is visible if the
    steps to and from it are reliable. In its query frame, it is visible.

    Arguments:
        flows: called with (t, t + 1), first with ascending t, then with descending t.
        size: (height, width) of the frames.
    """
    frame, xy = points
    path = xy[:, None].repeat(1, num_frames, 1)
    # Whether the step to frame t is reliable. The ends are true.
    counts = torch.ones(len(xy), num_frames + 1, dtype=torch.bool, device=xy.device)
    first, last = (int(frame.min()), int(frame.max())) if len(xy) else (num_frames, 0)

    def among(chosen: npt.NDArray[np.bool_]) -> Tensor:
        return to_device(torch.from_numpy(np.flatnonzero(chosen)), xy.device)

    for t in range(first, num_frames - 1):
        rows = among(frame <= t)
        there, back = flows(t, t + 1)
        path[rows, t + 1], counts[rows, t + 1] = _step(path[rows, t], Flows(there, back), tolerance)
    for t in reversed(range(last)):
        rows = among(frame > t)
        there, back = flows(t, t + 1)
        path[rows, t], counts[rows, t + 1] = _step(path[rows, t + 1], Flows(back, there), tolerance)
    visible = inside(path, size) & counts[:, :-1] & counts[:, 1:]
    visible[torch.arange(len(xy), device=xy.device), to_device(torch.from_numpy(frame), xy.device)] = True
    return Paths(path, visible)


def direct(flows: FlowsBetween, num_frames: int, points: Points, size: Size, tolerance: float) -> Paths:
    """Match each point from its query's frame directly with every other frame.

    A point inside the frame is visible if flow forth and back returns to within `tolerance` pixels.

    Arguments:
        flows: called once per pair of frames.
        size: (height, width) of the frames.
    """
    frame, xy = points
    path = xy[:, None].repeat(1, num_frames, 1)
    counts = torch.ones(len(xy), num_frames, dtype=torch.bool, device=xy.device)
    asked = sorted(set(frame.tolist()))
    for t in range(num_frames):
        for query_frame in asked:
            if query_frame == t or (t in asked and query_frame > t):
                continue  # the pair is handled in both directions when t is the later frame
            there, back = flows(query_frame, t)
            for asks, to, ways in ((query_frame, t, (there, back)), (t, query_frame, (back, there))):
                rows = to_device(torch.from_numpy(np.flatnonzero(frame == asks)), xy.device)
                if len(rows):
                    path[rows, to], counts[rows, to] = _step(xy[rows], Flows(*ways), tolerance)
    return Paths(path, inside(path, size) & counts)


def _step(here: Tensor, flows: Flows, tolerance: float) -> tuple[Tensor, Tensor]:
    """The new positions of `here` [P, 2], and bool [P]: the flow back returns to them."""
    moved = flows.there(here)
    residual = moved + flows.back(here + moved)
    return here + moved, residual.norm(dim=-1) < tolerance
