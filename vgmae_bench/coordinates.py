"""Converts positions between frame sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.types import FloatArray, Size


def rescale(xy: FloatArray, from_size: Size, to_size: Size) -> npt.NDArray[np.floating[Any]]:
    """Convert raster positions from frames of one size to frames of another size.

    The outer corners of the frames are aligned. The conversion is therefore a multiplication without a half-pixel shift,
    as in the grid conversion of google-deepmind/tapnet (tapnet/utils/transforms.py).

    Arguments:
        xy: float [..., 2], (x, y) in raster pixels of frames of `from_size`.
        from_size, to_size: (height, width).

    Returns:
        float64 [..., 2], raster pixels of frames of `to_size`.
    """
    (from_height, from_width), (to_height, to_width) = from_size, to_size
    scaled: npt.NDArray[np.floating[Any]] = xy * np.array([to_width, to_height]) / np.array([from_width, from_height])
    return scaled
