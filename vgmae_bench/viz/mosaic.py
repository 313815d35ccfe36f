"""Writes a grid of small pictures as one PNG file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

SMALLEST = 128
"""Pixels. Smaller pictures are enlarged by a whole factor, without interpolation."""
LABEL_WIDTH = 100
"""Width of the column of labels, in pixels."""


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
