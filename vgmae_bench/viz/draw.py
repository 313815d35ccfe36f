"""Tracks drawn on video: trails in rainbow colours, points that are seen as dots, hidden ones as rings."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vgmae_bench.types import FloatArray, Tracks

Colours = npt.NDArray[np.uint8]
_SHIFT = 4  # OpenCV takes positions in sixteenths of a pixel
_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)  # OpenCV's own small circles are squares


def rainbow(xy: FloatArray) -> Colours:
    """A colour for each position, from red at the top over green to violet at the bottom: uint8 [N, 3] RGB.

    Hues are spread evenly over the points in reading order, so neighbours look alike and no two points are the same.

    Arguments:
        xy: float [N, 2], raster pixels.
    """
    rank = np.empty(len(xy))
    rank[np.lexsort((xy[:, 0], xy[:, 1]))] = np.arange(len(xy))
    hsv = np.full((1, len(xy), 3), 255, dtype=np.uint8)
    hsv[0, :, 0] = rank / max(len(xy), 1) * 150  # of 180 half degrees: beyond violet it would be red again
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0] if len(xy) else hsv[0])


def draw_frame(
    frame: npt.NDArray[np.uint8], tracks: Tracks, t: int, colours: Colours, trail: int = 12
) -> npt.NDArray[np.uint8]:
    """Frame `t` with every point where it is and where it has been.

    Arguments:
        frame: uint8 [H, W, 3] RGB; is not changed.
        tracks: N points, raster pixels of the frame.
        colours: uint8 [N, 3] RGB.
        trail: frames that a trail goes back. It is drawn where a point was seen before and after a step.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    picture = np.ascontiguousarray(frame).copy()
    unit = max(1, round(min(frame.shape[:2]) / 360))
    since = max(t - trail, 0)
    ways = _fixed(tracks.xy[:, since : t + 1])
    seen = tracks.visible[:, since : t + 1]
    steps = np.stack([ways[:, :-1], ways[:, 1:]], axis=2)
    shown = seen[:, :-1] & seen[:, 1:] & (steps[:, :, 0] != steps[:, :, 1]).any(axis=-1)
    circles = _fixed(tracks.xy[:, t, None] + 3 * unit * _CIRCLE)
    pens = colours.tolist()
    for point in np.flatnonzero(shown.any(axis=1)):
        cv2.polylines(picture, list(steps[point, shown[point]]), False, pens[point], unit, cv2.LINE_AA, _SHIFT)
    for circle, visible, pen in zip(circles, seen[:, -1], pens, strict=True):
        if visible:
            cv2.fillPoly(picture, [circle], pen, cv2.LINE_AA, _SHIFT)
        else:
            cv2.polylines(picture, [circle], True, pen, unit, cv2.LINE_AA, _SHIFT)
    return picture


def draw_tracks(
    frames: npt.NDArray[np.uint8], tracks: Tracks, colours: Colours | None = None, trail: int = 12
) -> npt.NDArray[np.uint8]:
    """A video with its tracks drawn on it; see `draw_frame`.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB.
        colours: uint8 [N, 3] RGB; None: `rainbow` of the positions in the first frame.

    Returns:
        uint8 [T, H, W, 3] RGB.
    """
    chosen = rainbow(tracks.xy[:, 0]) if colours is None else colours
    return np.stack([draw_frame(frame, tracks, t, chosen, trail) for t, frame in enumerate(frames)])


def contact_sheet(
    frames: npt.NDArray[np.uint8], tracks: Tracks, columns: int = 4, rows: int = 2, trail: int = 12
) -> npt.NDArray[np.uint8]:
    """Frames from the first to the last with their tracks, side by side: a video on paper.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB.
        columns, rows: of pictures. Where the video has fewer frames, the last places stay black.
        trail: see `draw_frame`.

    Returns:
        uint8 [rows * H, columns * W, 3] RGB.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, columns * rows).round().astype(int))
    height, width = frames.shape[1:3]
    sheet = np.zeros((rows, columns, height, width, 3), dtype=np.uint8)
    colours = rainbow(tracks.xy[:, 0])
    for place, t in enumerate(chosen):
        sheet[divmod(place, columns)] = draw_frame(frames[t], tracks, int(t), colours, trail)
    return sheet.swapaxes(1, 2).reshape(rows * height, columns * width, 3)


def _fixed(xy: FloatArray) -> npt.NDArray[np.int32]:
    """Raster pixels as OpenCV wants them: pixel centres at integers, fixed point, nothing beyond its reach."""
    near = np.clip(np.nan_to_num(xy - 0.5, nan=-1e6), -1e6, 1e6)
    fixed: npt.NDArray[np.int32] = np.rint(near * (1 << _SHIFT)).astype(np.int32)
    return fixed
