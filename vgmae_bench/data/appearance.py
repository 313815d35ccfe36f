"""Checks by colour whether tracks stay on the surface that they follow. `data verify` and every run use it.

Fractions of a frame range from 0 to 1 in both axes, so the numbers do not show whether x and y are exchanged. The video
shows it. From one frame to the next, the colour under a correct track changes little. It changes less than the colour
differs from the surroundings of the point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vgmae_bench.types import BoolArray, FloatArray, Size, Uint8Array

OFFSET = 6
"""Distance in pixels from a point to its surroundings."""
_MOST, _FEWEST = 4000, 60  # limits on the number of examined pairs (track, frame)
_CONTRAST = 8.0  # grey levels; pairs with less contrast to the surroundings are skipped
_ON = 0.4
"""Tracks with a smaller ratio are correct. The embedded sets have 0.10 to 0.19, and 0.88 to 1.03 with x and y exchanged."""
_RIGHT = 0.25  # below this, no other reading is tried
_MOVING = 2.0
"""Pixels between the two frames. Pairs with less motion do not count: a still point on a still surface fits every reading."""
_STEP = 0.1  # pixels from frame to frame; slower points do not choose the lag
_LONGEST = 8  # frames; light changes meanwhile
_WORSE = 2.5
_ALIKE = 1.5
"""If the ratios of readings differ by a smaller factor, the first of these readings is reported. It is the most likely one."""
_INSIDE = 0.8  # share of visible positions that another reading has to put inside the frame


class Reading(NamedTuple):
    """Another way to read the positions of a clip.

    Attributes:
        fault: the mistake in the positions, if this reading is right.
        remedy: how to correct it.
        read: returns the corrected positions, given the positions in units of the frame and the clip's (height, width).
    """

    fault: str
    remedy: str
    read: Callable[[FloatArray, Size], FloatArray]

    def __str__(self) -> str:
        return f"{self.fault}: the video's colours stay similar along the tracks only after this correction"


def _in_pixels(points: FloatArray, size: Size) -> FloatArray:
    height, width = size
    return np.asarray(points[..., ::-1] * [height / width, width / height])


READINGS = (
    Reading("x and y look exchanged", "points[..., ::-1]", lambda points, _: points[..., ::-1]),
    Reading("x and y look exchanged", "exchanging the two", _in_pixels),
    Reading(
        "positions look like pixels of frames of 256 × 256",
        "x * width / 256 and y * height / 256",
        lambda points, size: points * [size[1] / 256, size[0] / 256],
    ),
    Reading("positions look like pixels of frames of half the size", "2 * x and 2 * y", lambda points, _: 2 * points),
    Reading("y looks counted from the bottom", "height - y", lambda points, _: points * [1, -1] + [0, 1]),
    Reading("x looks counted from the right", "width - x", lambda points, _: points * [-1, 1] + [1, 0]),
    Reading("positions look like fractions from -1 to 1", "(points + 1) / 2", lambda points, _: (points + 1) / 2),
)
"""Common mistakes in the units and axes of positions, the most likely ones first."""


def misread(points: FloatArray, occluded: BoolArray, frames: Uint8Array, size: Size) -> Reading | None:
    """The reading with which tracks follow the content of the frames, if the given positions do not follow it.

    Arguments:
        points: float [N, T, 2] in units of the frame.
        occluded: bool [N, T].
        frames: uint8 [T, H, W, 3] RGB, at any size.
        size: (height, width) of the clip's own frames.

    Returns:
        The reading; None if the given positions fit, or if too few positions or too little contrast show it.
    """
    raster = np.array([frames.shape[2], frames.shape[1]])
    lag = _lag(points * raster, ~occluded)
    given = _change(frames, points * raster, ~occluded, lag)
    if given is None or given <= _RIGHT:
        return None
    others: list[tuple[float, Reading]] = []
    for reading in READINGS:
        read = reading.read(points, size)
        with np.errstate(invalid="ignore"):
            inside = np.asarray(((read >= 0) & (read <= 1)).all(axis=2))[~occluded]
        change = _change(frames, read * raster, ~occluded, lag) if inside.mean() > _INSIDE else None
        if change is not None and change < _ON and given > _WORSE * change:
            others.append((change, reading))
    best = min((change for change, _ in others), default=0.0)
    return next((reading for change, reading in others if change <= _ALIKE * best), None)


def _lag(xy: FloatArray, visible: BoolArray) -> int:
    """The number of frames in which moving points typically move by `OFFSET`, from 1 to `_LONGEST`."""
    with np.errstate(invalid="ignore"):
        steps = np.linalg.norm(np.diff(xy, axis=1), axis=2)[visible[:, :-1] & visible[:, 1:]]
        steps = steps[steps >= _STEP]
    longest = min(_LONGEST, xy.shape[1] - 1)
    return int(np.clip(np.ceil(OFFSET / np.median(steps)), 1, max(longest, 1))) if len(steps) else 1


def _change(frames: Uint8Array, xy: FloatArray, visible: BoolArray, lag: int) -> float | None:
    """Colour change along tracks over the colour difference to the surroundings: near 0 on the tracks, near 1 elsewhere.

    None if too few positions are inside the frame and move, or nothing has contrast.

    Arguments:
        lag: frames between the two colours that are compared.
    """
    height, width = frames.shape[1:3]
    rng = np.random.default_rng(0)
    with np.errstate(invalid="ignore"):
        inside = visible & ((xy >= 0) & (xy < [width, height])).all(axis=2)
        moving = np.abs(xy[:, lag:] - xy[:, :-lag]).max(axis=2) >= _MOVING
    track, start = np.nonzero(inside[:, :-lag] & inside[:, lag:] & moving)
    if len(track) < _FEWEST:
        return None
    if len(track) > _MOST:
        chosen = rng.choice(len(track), _MOST, replace=False)
        track, start = track[chosen], start[chosen]
    angle = rng.uniform(0, 2 * np.pi, len(track))
    aside = OFFSET * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    here = _colour(frames, start, xy[track, start])
    along = np.abs(_colour(frames, start + lag, xy[track, start + lag]) - here).mean()
    around = np.abs(_colour(frames, start + lag, xy[track, start + lag] + aside) - here).mean()
    return None if around < _CONTRAST else float(along / around)


def _colour(frames: Uint8Array, number: npt.NDArray[np.int64], xy: FloatArray) -> FloatArray:
    """Mean colour of the 3 × 3 pixels around positions [M, 2] in frames [M]: float32 [M, 3]."""
    height, width = frames.shape[1:3]
    column, row = np.floor(xy).astype(np.int64).T
    steps = np.arange(-1, 2)
    rows = np.clip(row[:, None, None] + steps[:, None], 0, height - 1)
    columns = np.clip(column[:, None, None] + steps, 0, width - 1)
    return np.asarray(frames[number[:, None, None], rows, columns].astype(np.float32).mean(axis=(1, 2)))
