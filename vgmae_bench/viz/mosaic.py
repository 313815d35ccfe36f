"""A grid of small pictures in one PNG file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

SMALLEST = 128
"""Pixels: lower pictures are enlarged by a whole factor, without interpolation."""
LABEL_WIDTH = 100
"""Pixels of the column of labels."""


def enlarge(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A picture, uint8 [H, W, 3], repeated by the smallest whole factor that makes it `SMALLEST` pixels high."""
    factor = -(-SMALLEST // len(picture))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def save_mosaic(rows: Iterable[Sequence[npt.NDArray[np.uint8]]], path: Path, labels: Sequence[str] = ()) -> None:
    """Write a grid of pictures as one PNG file.

    Arguments:
        rows: from top to bottom. Each row has the same number of pictures, uint8 [H, W, 3] RGB, all of one size.
        labels: written to the left of each row, in black on white. None: no such column.
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
