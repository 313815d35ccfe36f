"""Frames: resizing exactly as the TAP-Vid protocol does it, and decoding of JPEG and PNG images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from vgmae_bench.types import Size

Pixel = TypeVar("Pixel", np.uint8, np.float32)
ImageKind = Literal["JPEG", "PNG"]


def resize_frames(frames: npt.NDArray[Pixel], size: Size) -> npt.NDArray[Pixel]:
    """Resize a video by Pillow's Lanczos filter: anti-aliased, aligned on the outer corners.

    Bit-identical to what the official reader gets through mediapy: uint8 RGB frames are resized as images (rounded and
    clipped), float32 ones channel by channel (neither), and frames that have the size already keep their values.

    Arguments:
        frames: uint8 or float32 [T, H, W, 3].
        size: (height, width) wanted.

    Returns:
        [T, height, width, 3] of the same dtype, always a new array that the caller may write to.

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
        else:  # Pillow holds float images of one channel only
            for channel in range(3):
                target[..., channel] = _lanczos(source[..., channel], size)
    return resized


def jpeg_size(frame: bytes) -> Size:
    """(height, width) of a JPEG from its header alone. Raises ValueError when it is none."""
    with _open_image(frame, "JPEG") as image:
        return image.height, image.width


def decode_frames(frames: Sequence[bytes], kind: ImageKind = "JPEG") -> npt.NDArray[np.uint8]:
    """Decode frames of one size into uint8 [T, H, W, 3] RGB.

    Raises:
        ValueError: a frame that is not a whole image of that kind, or not of the first one's size; says which (counted
            from 0).
    """
    with _open_image(frames[0], kind) as image:
        height, width = image.height, image.width
    video = np.empty((len(frames), height, width, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        try:
            with _open_image(frame, kind) as image:
                if (image.height, image.width) != (height, width):
                    raise ValueError(f"{image.width} x {image.height}, not {width} x {height} like the first")
                video[number] = np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"frame {number}: {error}") from error
    return video


def _lanczos(image: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    height, width = size
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _open_image(frame: bytes, kind: ImageKind) -> Image.Image:
    try:
        return Image.open(io.BytesIO(frame), formats=[kind])
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a {kind} image" if isinstance(error, OSError) else str(error)) from error
