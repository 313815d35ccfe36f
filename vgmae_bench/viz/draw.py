"""Draws tracks on video (visible points as dots with trails, hidden points as rings), flow as colour, grids of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from vgmae_bench.types import FloatArray, Tracks

Colours = npt.NDArray[np.uint8]
_SHIFT = 4  # positions are in 1/16 px for OpenCV
_DOT = 3.0
"""Pixels: the radius of a dot in a small picture."""
_OUTLINES = np.array([2.0, 1.0, 0.0])
"""Distances from the edge of the dot in pixels: of the dark line, of the light line, and of the dot itself."""
_OUTLINE_COLOURS = ((20, 20, 20), (255, 255, 255))
"""RGB: a dark line around a light one, so that one of them shows on any ground."""
FULL_COLOUR = 1 / 32
"""Speed of full saturation, as a fraction of the frame's width per frame. Faster flow looks the same."""
SMALLEST = 128
"""Pixels. Smaller pictures are enlarged by a whole factor, without interpolation."""
LABEL_WIDTH = 100
"""Width of the column of labels, in pixels."""
_ANGLES = 2 * np.pi * (np.arange(24) + 0.5) / 24
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)  # OpenCV draws small circles as squares


def rainbow(xy: FloatArray) -> Colours:
    """Colours by position, from red at the top over green to violet at the bottom.

    Hues are spread evenly over the points from top to bottom, then left to right. Neighbours look alike, and no two points
    have the same hue.

    Arguments:
        xy: float [N, 2], raster pixels.

    Returns:
        uint8 [N, 3] RGB.
    """
    rank = np.empty(len(xy))
    rank[np.lexsort((xy[:, 0], xy[:, 1]))] = np.arange(len(xy))
    hsv = np.full((1, len(xy), 3), 255, dtype=np.uint8)
    hsv[0, :, 0] = rank / max(len(xy), 1) * 150  # OpenCV's hues have 180 steps; the last 30 would lead back to red
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0] if len(xy) else hsv[0])


def draw_frame(
    frame: npt.NDArray[np.uint8], tracks: Tracks, t: int, colours: Colours, trail: int = 12
) -> npt.NDArray[np.uint8]:
    """Draw the points of frame `t` with their trails.

    Dots and rings have a light and a dark outline, so that they are visible on any background.

    Arguments:
        frame: uint8 [H, W, 3] RGB; it is not changed.
        tracks: N points, raster pixels of the frame.
        colours: uint8 [N, 3] RGB.
        trail: length of the trails in frames. A trail has gaps where the point is hidden.

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
    pens = colours.tolist()
    for point in np.flatnonzero(shown.any(axis=1)):
        cv2.polylines(picture, list(steps[point, shown[point]]), False, pens[point], unit, cv2.LINE_AA, _SHIFT)
    # Discs on discs look like lines around a dot, and OpenCV draws them several times as fast. Rings need lines.
    half_lines = np.multiply.outer([0.5, 0.5, 0.0], seen[:, -1])
    radii = unit * (_DOT + _OUTLINES[:, None] + half_lines)
    shapes = _fixed(tracks.xy[:, t, None] + radii[..., None, None] * _CIRCLE)
    for circles, visible, pen in zip(shapes.swapaxes(0, 1), seen[:, -1], pens, strict=True):
        for circle, colour in zip(circles, (*_OUTLINE_COLOURS, pen), strict=True):
            if visible:
                cv2.fillPoly(picture, [circle], colour, cv2.LINE_AA, _SHIFT)
            else:
                cv2.polylines(picture, [circle], True, colour, unit, cv2.LINE_AA, _SHIFT)
    return picture


def numbered(picture: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.uint8]:
    """Write a frame's number into the top left corner of a picture, white on a dark background, and return the picture.

    Pictures with fewer than 48 rows get no number, because it would hide them.

    Arguments:
        picture: uint8 [H, W, 3] RGB. It is changed.
    """
    if len(picture) < 48:
        return picture
    size = max(0.35, len(picture) / 800)
    text: Any = (str(number), cv2.FONT_HERSHEY_SIMPLEX, size, 1 + round(size))
    (width, height), _ = cv2.getTextSize(*text)
    picture[: height + 8, : width + 8] //= 3
    cv2.putText(picture, text[0], (4, height + 4), text[1], size, (255, 255, 255), text[3], cv2.LINE_AA)
    return picture


def beside(frame: npt.NDArray[np.uint8], picture: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.uint8]:
    """A frame with its number and, to its right, a picture of it, enlarged to the frame's size.

    Arguments:
        frame: uint8 [H, W, 3] RGB; it is not changed.
        picture: uint8 [h, w, 3] RGB.

    Returns:
        uint8 [H, 2 W, 3] RGB.
    """
    height, width = frame.shape[:2]
    large = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.concatenate([numbered(np.ascontiguousarray(frame).copy(), number), large.astype(np.uint8)], axis=1)


def draw_tracks(frames: npt.NDArray[np.uint8], tracks: Tracks, trail: int = 12) -> npt.NDArray[np.uint8]:
    """Draw tracks on a video, in the colours of `rainbow` by their positions in the first frame; see `draw_frame`.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB.

    Returns:
        uint8 [T, H, W, 3] RGB.
    """
    colours = rainbow(tracks.xy[:, 0])
    return np.stack([draw_frame(frame, tracks, t, colours, trail) for t, frame in enumerate(frames)])


def contact_sheet(
    frames: npt.NDArray[np.uint8],
    tracks: Tracks,
    columns: int = 4,
    rows: int = 2,
    trail: int = 12,
    numbers: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.uint8]:
    """Draw tracks on frames that are spread from the first to the last. Arrange the pictures in a grid, with frame numbers.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB.
        columns, rows: the size of the grid. If there are fewer frames, the last cells are black.
        trail: see `draw_frame`.
        numbers: int64 [T], the frame numbers; by default 0 to T - 1.

    Returns:
        uint8 [rows * H, columns * W, 3] RGB.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, columns * rows).round().astype(int))
    height, width = frames.shape[1:3]
    sheet = np.zeros((rows, columns, height, width, 3), dtype=np.uint8)
    colours = rainbow(tracks.xy[:, 0])
    for place, t in enumerate(chosen):
        picture = draw_frame(frames[t], tracks, int(t), colours, trail)
        sheet[divmod(place, columns)] = numbered(picture, int(t if numbers is None else numbers[t]))
    return sheet.swapaxes(1, 2).reshape(rows * height, columns * width, 3)


def colour_flow(flow: FloatArray) -> npt.NDArray[np.uint8]:
    """Turn flow into colours. The hue shows the direction, the saturation shows the speed. White means no motion.

    Arguments:
        flow: float [..., H, W, 2], pixels per frame, (x, y).

    Returns:
        uint8 [..., H, W, 3] RGB.
    """
    from matplotlib.colors import hsv_to_rgb

    x, y = np.moveaxis(np.asarray(flow, dtype=np.float64), -1, 0)
    speed = np.hypot(x, y) / (FULL_COLOUR * flow.shape[-2])
    hsv = np.stack([np.arctan2(y, x) / (2 * np.pi) % 1, speed.clip(0, 1), np.ones_like(speed)], axis=-1)
    return (hsv_to_rgb(hsv) * 255).astype(np.uint8)


def enlarge(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A picture, uint8 [H, W, 3], enlarged by the smallest whole factor that makes it at least `SMALLEST` pixels high."""
    factor = -(-SMALLEST // len(picture))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def save_mosaic(rows: Iterable[Sequence[npt.NDArray[np.uint8]]], path: Path, labels: Sequence[str] = ()) -> None:
    """Write a grid of pictures as one PNG file.

    Arguments:
        rows: the rows, from top to bottom. Each has the same number of pictures, uint8 [H, W, 3] RGB, all of one size.
        labels: text to the left of each row, black on white. If empty, there is no column of labels.
    """
    large = [[enlarge(picture) for picture in row] for row in rows]
    sheet = Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in large]))
    if labels:
        bare, sheet = sheet, Image.new("RGB", (sheet.width + LABEL_WIDTH, sheet.height), "white")
        sheet.paste(bare, (LABEL_WIDTH, 0))
        brush, height = ImageDraw.Draw(sheet), len(large[0][0])
        for row, label in enumerate(labels):
            brush.text((6, (row + 0.5) * height), label, fill="black", anchor="lm")
    sheet.save(path, format="PNG")


def _fixed(xy: FloatArray) -> npt.NDArray[np.int32]:
    """Raster pixels as fixed-point numbers for OpenCV, whose pixel centres are integers. Values are clipped to its range."""
    near = np.clip(np.nan_to_num(xy - 0.5, nan=-1e6), -1e6, 1e6)
    return np.asarray(np.rint(near * (1 << _SHIFT)), dtype=np.int32)
