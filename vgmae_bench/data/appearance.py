"""Checks by colour whether tracks stay on the surface that they follow. `vgmae-bench data verify` uses it.

Fractions of a frame range from 0 to 1 in both axes, so the numbers do not show whether x and y are exchanged. The video
shows it. From one frame to the next, the colour under a correct track changes little. It changes less than the colour
differs from the surroundings of the point.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vgmae_bench.types import Clip, FloatArray

OFFSET = 6
"""Distance in pixels from a point to its surroundings."""
_MOST, _FEWEST = 4000, 60  # limits on the number of examined pairs (track, frame)
_CONTRAST = 8.0  # grey levels; pairs with less contrast to the surroundings are skipped
_ON = 0.4
"""Tracks with a smaller ratio are correct. The embedded sets have 0.11 to 0.16, and 0.55 to 0.83 with x and y exchanged."""
_WORSE = 2.5


def looks_exchanged(clip: Clip, frames: npt.NDArray[np.uint8]) -> bool:
    """Whether the tracks of a clip fit its frames only if x and y are exchanged.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB at the source size.

    Returns:
        False also if the evidence is too weak: few visible positions, or no contrast.
    """
    height, width = clip.size
    visible = ~clip.occluded
    given = _change(frames, clip.points * np.array([width, height]), visible)
    exchanged = _change(frames, clip.points[..., ::-1] * np.array([width, height]), visible)
    return given is not None and exchanged is not None and exchanged < _ON and given > _WORSE * exchanged


def _change(frames: npt.NDArray[np.uint8], xy: FloatArray, visible: npt.NDArray[np.bool_]) -> float | None:
    """Colour change along tracks, divided by the colour difference to the surroundings. Correct tracks give about 0, others 1.

    None if too few positions are inside the frame, or nothing has contrast.
    """
    height, width = frames.shape[1:3]
    rng = np.random.default_rng(0)
    with np.errstate(invalid="ignore"):
        inside = visible & ((xy >= 0) & (xy < [width, height])).all(axis=2)
    track, start = np.nonzero(inside[:, :-1] & inside[:, 1:])
    if len(track) < _FEWEST:
        return None
    if len(track) > _MOST:
        chosen = rng.choice(len(track), _MOST, replace=False)
        track, start = track[chosen], start[chosen]
    angle = rng.uniform(0, 2 * np.pi, len(track))
    aside = OFFSET * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    here = _colour(frames, start, xy[track, start])
    along = np.abs(_colour(frames, start + 1, xy[track, start + 1]) - here).mean()
    around = np.abs(_colour(frames, start + 1, xy[track, start + 1] + aside) - here).mean()
    return None if around < _CONTRAST else float(along / around)


def _colour(frames: npt.NDArray[np.uint8], number: npt.NDArray[np.int64], xy: FloatArray) -> FloatArray:
    """Mean colour of the 3 × 3 pixels around positions [M, 2] in frames [M]: float32 [M, 3]."""
    height, width = frames.shape[1:3]
    column, row = np.floor(xy).astype(np.int64).T
    steps = np.arange(-1, 2)
    rows = np.clip(row[:, None, None] + steps[:, None], 0, height - 1)
    columns = np.clip(column[:, None, None] + steps, 0, width - 1)
    return np.asarray(frames[number[:, None, None], rows, columns].astype(np.float32).mean(axis=(1, 2)))
