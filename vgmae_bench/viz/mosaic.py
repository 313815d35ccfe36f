"""Small pictures side by side, large enough to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SMALLEST = 128
"""Pixels: pictures less high than this are enlarged, pixel by pixel."""


def save_mosaic(rows: Iterable[Sequence[npt.NDArray[np.uint8]]], path: Path) -> None:
    """Write pictures as one PNG.

    Arguments:
        rows: from top to bottom; each has as many pictures, uint8 [H, W, 3], all of one size.
    """
    rows = list(rows)
    factor = -(-SMALLEST // len(rows[0][0]))
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    Image.fromarray(sheet.repeat(factor, axis=0).repeat(factor, axis=1)).save(path, format="PNG")
