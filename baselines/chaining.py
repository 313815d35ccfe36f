"""Tracks points by optical flow from frame to frame, with a forward-backward check for occlusion."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from vgmae_bench import Queries, Tracks

Grey = npt.NDArray[np.uint8]
"""uint8 [H, W], or [H, W, 3] RGB if `follow` is called with colour=True."""
Points = npt.NDArray[np.float32]
Flow = Callable[[Grey, Grey, Points], tuple[Points, npt.NDArray[np.bool_]]]
"""(first image, second image, positions [N, 2] in the first) → positions in the second, and whether they were found, bool [N].

Positions are in OpenCV's convention: pixel centres are integers.
"""


def follow(
    frames: npt.NDArray[np.uint8], queries: Queries, flow: Flow, max_error: float, *, colour: bool = False
) -> Tracks:
    """Track each point by the flow at its position.

    A point is lost when its forward-backward error is too large. It then stays hidden, and its position still follows the
    flow. A point outside the frame is hidden until it returns.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB.
        max_error: largest forward-backward error in pixels; beyond it, a point is lost.
        colour: call `flow` with RGB images instead of grey images.
    """
    images = list(frames) if colour else [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    height, width = frames.shape[1:3]
    xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
    visible = np.zeros(xy.shape[:2], dtype=bool)
    visible[np.arange(len(queries)), queries.frame] = True
    followed = np.ones(len(queries), dtype=bool)
    for t in range(len(frames) - 1):
        started = np.flatnonzero(queries.frame <= t)
        if not len(started):
            continue
        here = xy[started, t] - 0.5  # in OpenCV, pixel centres are integers
        there, found = flow(images[t], images[t + 1], here)
        back, found_back = flow(images[t + 1], images[t], there)
        error = np.linalg.norm(back - here, axis=1)
        there += 0.5
        inside = (there >= 0).all(axis=1) & (there < (width, height)).all(axis=1)
        xy[started, t + 1] = there
        followed[started] &= found & found_back & (error <= max_error)
        visible[started, t + 1] = followed[started] & inside
    return Tracks(xy, visible)
