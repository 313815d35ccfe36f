"""Reads images upright, in RGB, with 8 bits per channel, whatever the file's bit depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps

from vgmae_bench.errors import BadDataError
from vgmae_bench.types import Size

_ORIENTATION = 0x0112  # EXIF tag
_SWAPPED = (5, 6, 7, 8)  # orientations that swap height and width
_DEPTHS = (8, 12, 16)
_MODES_OF_NUMBERS = ("I", "F")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of FFmpeg and Pillow into a BadDataError that names the file. An empty file raises it too."""
    try:
        if path.is_file() and not path.stat().st_size:
            raise ValueError("it is empty")
        yield
    except MemoryError as error:
        raise BadDataError(f"{path} cannot be read", "decoding it needs more memory than there is") from error
    except (av.FFmpegError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, (OSError, av.FFmpegError)) else None
        raise BadDataError(f"{path} cannot be read", reason or str(error)) from error


def upright_size(image: Image.Image) -> Size:
    """(height, width) of an image after its EXIF rotation, from the header alone."""
    swapped = image.getexif().get(_ORIENTATION) in _SWAPPED
    return (image.width, image.height) if swapped else (image.height, image.width)


def open_rgb(path: Path, depth: int | None = None) -> Image.Image:
    """Open an image upright (all eight EXIF orientations) and in RGB. Transparency is dropped.

    Arguments:
        path: an image that Pillow reads, with up to 16 bits per channel.
        depth: bit depth of the values of a deep image (more than 8 bits), if the other images of its clip decide it; None:
            the depth that `deepest` finds for this image alone.

    Raises:
        BadDataError: the image cannot be read, or its pixels are 32-bit numbers, whose range is unknown.
    """
    with reading(path), Image.open(path) as image:
        if not _is_deep(image):
            return ImageOps.exif_transpose(image).convert("RGB")
        values = _deep_values(image, path)
        bits = depth if depth is not None else _depth_of(int(values.max()))
        shown = np.round(np.minimum(values, 2**bits - 1) * (255 / (2**bits - 1))).astype(np.uint8)
        shown = np.repeat(shown[..., None], 3, axis=2) if shown.ndim == 2 else shown
        turned = Image.fromarray(shown)
        turned.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
        return ImageOps.exif_transpose(turned)


def deepest(files: Sequence[Path]) -> int | None:
    """The bit depth of the values in a sequence of images: 16; 12 if no value is above 4095; 8 if none is above 255.

    12-bit cameras store their values in 16-bit files, and no header says so. If the first image has 8 bits, the result is
    None, and no other image is opened.

    Raises:
        BadDataError: an image with more than 8 bits cannot be read.
    """
    highest = 0
    for number, file in enumerate(files):
        with reading(file), Image.open(file) as image:
            if not _is_deep(image):
                if not number:
                    return None
                continue
            highest = max(highest, int(_deep_values(image, file).max()))
        if highest >= 2 ** _DEPTHS[-2]:
            break
    return _depth_of(highest)


def _depth_of(highest: int) -> int:
    return next(bits for bits in _DEPTHS if highest < 2**bits)


def _is_deep(image: Image.Image) -> bool:
    """Whether the file has more than 8 bits per channel. For 16-bit colour, only the name of Pillow's decoder shows it."""
    raw = " ".join(str(tile[3]) for tile in image.tile) if isinstance(image, ImageFile.ImageFile) else ""
    return image.mode in _MODES_OF_NUMBERS or image.mode.startswith("I;16") or ";16" in raw or "I;12" in raw


def _deep_values(image: Image.Image, path: Path) -> npt.NDArray[np.uint16]:
    """uint16 [H, W] or [H, W, 3], as stored."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in _MODES_OF_NUMBERS:
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() >= 2 ** _DEPTHS[-1]:
            raise ValueError("its pixels are 32-bit numbers; images have 8 or 16 bits")
        return values.astype(np.uint16)
    with av.open(str(path)) as container:  # Pillow would cut 16-bit colour to 8 bits
        frame = next(container.decode(video=0))
        return np.asarray(frame.to_ndarray(format="rgb48le"), dtype=np.uint16)
