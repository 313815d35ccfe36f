"""Resizes frames exactly as the TAP-Vid protocol does."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

Size = tuple[int, int]
"""(height, width) in pixels."""

Pixel = TypeVar("Pixel", np.uint8, np.float32)


def resize_frames(frames: npt.NDArray[Pixel], size: Size) -> npt.NDArray[Pixel]:
    """Resize a video with Pillow's Lanczos filter: anti-aliased, aligned on the outer corners.

    The result equals the official reader's, which uses mediapy, bit for bit. uint8 RGB frames are resized as images, with
    rounding and clipping. float32 frames are resized channel by channel, without rounding and clipping. Frames that
    already have this size keep their values.

    Arguments:
        frames: uint8 or float32 [T, H, W, 3].
        size: (height, width) of the result.

    Returns:
        [T, height, width, 3] of the same dtype. It is always a new array, which the caller may change.

    Raises:
        ValueError: another shape or dtype, or a size below one pixel.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype not in (np.uint8, np.float32):
        raise ValueError(f"frames must be uint8 or float32 [T, H, W, 3], got {frames.dtype} {list(frames.shape)}")
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"frames cannot be resized to {height} x {width}")
    if frames.shape[1:3] == (height, width):
        return frames.copy()
    resized = np.empty((len(frames), height, width, 3), dtype=frames.dtype)
    for source, target in zip(frames, resized, strict=True):
        if frames.dtype == np.uint8:
            target[:] = _lanczos(source, size)
        else:  # Pillow supports float images only with one channel
            for channel in range(3):
                target[..., channel] = _lanczos(source[..., channel], size)
    return resized


def resize_image(image: Image.Image, size: Size) -> Image.Image:
    """Resize an RGB or float image of Pillow's, without a copy of it: the values are those of `resize_frames`."""
    height, width = size
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _lanczos(image: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    return np.asarray(resize_image(Image.fromarray(image), size))
