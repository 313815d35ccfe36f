"""A grid of small pictures in one PNG file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SMALLEST = 128
"""Pixels: lower pictures are enlarged by a whole factor, without interpolation."""


def save_mosaic(rows: Iterable[Sequence[npt.NDArray[np.uint8]]], path: Path) -> None:
    """Write a grid of pictures as one PNG file.

    Arguments:
        rows: from top to bottom. Each row has the same number of pictures, uint8 [H, W, 3] RGB, all of one size.
    """
    rows = list(rows)
    factor = -(-SMALLEST // len(rows[0][0]))
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    Image.fromarray(sheet.repeat(factor, axis=0).repeat(factor, axis=1)).save(path, format="PNG")
