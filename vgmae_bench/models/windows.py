"""Tracks through clips of any length with a model of a few frames, by chained windows from each query's frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.devices import constant, to_device
from vgmae_bench.models.frames import FrameWindows
from vgmae_bench.types import Queries, Tracks, rescale

CPU = torch.device("cpu")


class WindowTracks(NamedTuple):
    """Positions xy [N, T, 2] (raster pixels) and visible, bool [N, T], of N points in the T frames of a window."""

    xy: Tensor
    visible: Tensor


TrackTile = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(video [1, 3, n, side, side], positions [M, 2] in its first frame) → positions [M, n, 2] and visible, bool [M, n]."""
TrackWindow = Callable[[int, Tensor], tuple[Tensor, Tensor]]
"""(first frame, positions [M, 2] there) → positions [M, n, 2] and visible, bool [M, n], in the window's n >= 2 frames."""


def sweep(frames: int, length: int, queries: Queries, track_window: TrackWindow, device: torch.device = CPU) -> Tracks:
    """Track queries forward through a clip, window by window.

    A point queried in frame q is tracked through the window of frames q to q + length - 1. From its position in the last of
    them, it is tracked through the window that starts there, and so on. Only the position is passed on: a model with anchors
    chooses them again in every window.

    Windows are visited in the order of their first frames. Each runs at most once, for all points that have arrived there. A
    clip thus takes at most `frames` - 1 windows, and the result of a query does not depend on the others.

    In its query frame, a point is visible at the query's position. In earlier frames, it stays there and is not visible.

    Arguments:
        frames: number of frames of the clip.
        length: number of frames per window, at least 2. The last windows can end after the clip.
        queries: in the raster of `track_window`.
        track_window: tracks through a window. It is called with ascending first frames.
        device: of the positions. Tracks come back from it once, at the end.

    Raises:
        ValueError: `length` is less than 2, or a query is outside the clip.
    """
    if length < 2:
        raise ValueError(f"windows need at least 2 frames, not {length}")
    if len(queries) and (queries.frame.min() < 0 or queries.frame.max() >= frames):
        raise ValueError(f"queries must be in frames 0 to {frames - 1}")
    xy = to_device(torch.from_numpy(queries.xy), device)[:, None].repeat(1, frames, 1)
    visible = to_device(torch.from_numpy(np.arange(frames) == queries.frame[:, None]), device)
    reached = queries.frame.copy()
    while (unfinished := reached < frames - 1).any():
        start = int(reached[unfinished].min())
        arrived = np.flatnonzero(reached == start)
        points = to_device(torch.from_numpy(arrived), device)
        window_xy, window_visible = track_window(start, xy[points, start])
        end = min(start + window_xy.shape[1], frames)
        xy[points, start + 1 : end] = window_xy[:, 1 : end - start]
        visible[points, start + 1 : end] = window_visible[:, 1 : end - start]
        reached[arrived] = end - 1
    return Tracks(xy=xy.cpu().numpy(), visible=visible.cpu().numpy())


def track_windows(
    frames: npt.NDArray[np.uint8],
    queries: Queries,
    length: int,
    image_size: int,
    device: torch.device,
    track_window: TrackTile,
    tiles: int = 1,
) -> Tracks:
    """`sweep` through frames of any size with a model of square frames. Frames are resized, and tracks are scaled back.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB.
        queries: in the raster of `frames`.
        image_size: side of the model's frames in pixels.
        track_window: maps a window, float32 [1, 3, length, image_size, image_size] from `vgmae_bench.models.frames.prepare`,
            and positions [M, 2] in its first frame to positions [M, n, 2] and visible, bool [M, n].
        tiles: number of model frames that fit along a side of the resized frames. See `on_tiles`.
    """
    clip_size, model_size = (frames.shape[1], frames.shape[2]), (tiles * image_size, tiles * image_size)
    windows = FrameWindows(frames, length, model_size, device)

    def track(start: int, xy: Tensor) -> WindowTracks:
        return on_tiles(windows[start], xy, image_size, track_window)

    with torch.inference_mode():
        scaled = Queries(queries.frame, rescale(queries.xy, clip_size, model_size))
        tracks = sweep(len(frames), length, scaled, track, device)
    return Tracks(xy=rescale(tracks.xy, model_size, clip_size), visible=tracks.visible)


def on_tiles(video: Tensor, xy: Tensor, side: int, track_window: TrackTile) -> WindowTracks:
    """Track points through a window that is larger than the model's frames, each in one tile of the model's size.

    Tiles overlap by half. A point belongs to the tile whose centre is nearest to it in the first frame, until the end of the
    window. So a point away from the frame's border can move by at least a quarter of a tile. A point that leaves its tile
    counts as occluded. The model runs once for each tile that has points; the host waits once, to learn which these are.

    Arguments:
        video: float32 [1, 3, T, h, w]; h and w are multiples of `side`.
        xy: [M, 2], positions in the first frame, raster pixels.
        side: side of a tile in pixels.
        track_window: maps a tile [1, 3, T, side, side] and positions [m, 2] in its first frame to positions [m, n, 2] and
            visible, bool [m, n].
    """
    height, width = video.shape[3:]
    if (height, width) == (side, side):
        return WindowTracks(*track_window(video, xy))
    last = constant(((width - side) // (side // 2), (height - side) // (side // 2)), xy)
    nearest = torch.minimum(((xy - side / 4) / (side / 2)).floor().clamp(min=0), last).long().cpu()
    parts, order = [], []
    for tile in torch.unique(nearest, dim=0):
        members = (nearest == tile).all(dim=1).nonzero()[:, 0]
        points = to_device(members, xy.device)
        left, top = (int(place) * (side // 2) for place in tile)
        corner = constant((left, top), xy)
        found, visible = track_window(video[..., top : top + side, left : left + side], xy[points] - corner)
        parts.append(WindowTracks(found + corner, visible))
        order.append(members)
    back = to_device(torch.cat(order).argsort(), xy.device)
    return WindowTracks(torch.cat([part.xy for part in parts])[back], torch.cat([part.visible for part in parts])[back])
