"""Query points in the user's own video: typed, on a grid, or inside a mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vgmae_bench.data.video.images import reading
from vgmae_bench.errors import UsageError
from vgmae_bench.types import BoolArray, FloatArray, Queries, Size


def typed_points(texts: Sequence[str], size: Size) -> Queries:
    """Queries from texts "t,x,y": a frame counted from 0, and raster pixels of frames of `size` (height, width).

    Raises:
        UsageError: a text is not such a point, or the point lies outside the frame.
    """
    points = [_point(text, size) for text in texts]
    return Queries(np.array([t for t, _, _ in points]), np.array([(x, y) for _, x, y in points]).reshape(-1, 2))


def grid_points(count: int, size: Size) -> Queries:
    """The centres of `count` × `count` equal cells of frames of `size`, row by row, as queries in frame 0."""
    height, width = size
    return _first_frame(_cell_centres(count) * (width, height))


def mask_points(path: Path, count: int, size: Size) -> Queries:
    """Queries in frame 0: a `count` × `count` grid over the foreground's bounding box, without the points off the foreground.

    Foreground pixels are neither black nor transparent. Masks with values 0 and 1, with values 0 and 255, and coloured
    masks all work. In a JPEG, where black is not exactly black, foreground pixels are brighter than half.

    Raises:
        BadDataError: the image cannot be read.
        UsageError: the mask has another size than the video, no foreground, or no grid point on it.
    """
    foreground = _foreground(path)
    if foreground.shape != size:
        raise UsageError(f"The mask {path} is {_by(foreground.shape)} pixels", f"frames of the video are {_by(size)}")
    rows, columns = np.nonzero(foreground)
    if not len(rows):
        raise UsageError(f"The mask {path} has no foreground", "it is black or transparent everywhere")
    corner = np.array([columns.min(), rows.min()])
    xy = corner + _cell_centres(count) * (np.array([columns.max(), rows.max()]) + 1 - corner)
    x, y = xy.astype(int).T
    inside = foreground[y, x]
    if not inside.any():
        raise UsageError(f"No point of the {count} × {count} grid lies in the mask", "", try_=f"--grid {2 * count}")
    return _first_frame(xy[inside])


def _point(text: str, size: Size) -> tuple[int, float, float]:
    try:
        frame, x, y = text.split(",")
        point = int(frame), float(x), float(y)
    except ValueError as error:
        raise UsageError(f'"{text}" is no point', "points look like t,x,y: 0,320,180.5") from error
    height, width = size
    if point[0] < 0 or not (0 <= point[1] <= width and 0 <= point[2] <= height):
        raise UsageError(f"The point {text} is outside the video", f"frames count from 0 and are {_by(size)} pixels")
    return point


def _first_frame(xy: FloatArray) -> Queries:
    return Queries(np.zeros(len(xy), dtype=np.int64), xy.astype(np.float32))


def _cell_centres(count: int) -> FloatArray:
    """[count², 2], (x, y) in units of the frame, row by row."""
    steps = (np.arange(count) + 0.5) / count
    y, x = np.meshgrid(steps, steps, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _foreground(path: Path) -> BoolArray:
    with reading(path), Image.open(path) as image:
        threshold = 127 if image.format == "JPEG" else 0
        pixels = np.asarray(image.convert("RGBA"))
    return np.asarray((pixels[..., :3].max(axis=-1) > threshold) & (pixels[..., 3] > 127))


def _by(size: Sequence[int]) -> str:
    return f"{size[1]} × {size[0]}"
