"""Reads images upright, in RGB, with 8 bits per channel, whatever the file's bit depth. Also folders of training images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps

from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.files import in_natural_order, visible_files
from vgmae_bench.types import Size, Uint8Array

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
SUFFIXES = IMAGE_SUFFIXES | {".webp", ".bmp", ".tif", ".tiff"}
AREA = (0.2, 1.0)
"""Range of the area of a random crop, as a share of the image (MAE)."""
ASPECT = (3 / 4, 4 / 3)
"""Range of width over height of a random crop."""
TRIES = 10
EVALUATION_CROP = 0.875
"""Side of the centre crop, as a share of the image's shorter side: 224 of 256."""

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


def read_image(path: Path, shorter_side: int | None = None) -> Uint8Array:
    """An upright image, uint8 [H, W, 3] RGB.

    Arguments:
        path: the image.
        shorter_side: reduce a larger image proportionally to this shorter side in pixels; None: never.

    Raises:
        BadDataError: the image cannot be read.
    """
    image = open_rgb(path)
    scale = 1.0 if shorter_side is None else min(1.0, shorter_side / min(image.size))
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC)
    return np.array(image)


class ImageTree:
    """The images in a folder and its sub-folders, with or without class folders like those of ImageNet.

    If the folder has sub-folders `train` and `val`, training images come from `train`, and examples from `val`.

    Attributes:
        paths: training images, in natural order.
        examples: images to show. Without `val`, they are the training images.
        skipped: images that this process could not read so far, with the reason.

    Raises:
        MissingDataError: the folder does not exist, or holds no images.
    """

    def __init__(self, path: Path) -> None:
        train, val = path / "train", path / "val"
        self.paths = find_images(train if train.is_dir() else path)
        self.examples = find_images(val) if train.is_dir() and val.is_dir() else self.paths
        self.skipped: dict[Path, str] = {}
        if not self.paths or not self.examples:
            raise MissingDataError(f"There are no images below {path}", "they end in " + ", ".join(sorted(SUFFIXES)))

    def __len__(self) -> int:
        return len(self.paths)

    def sample(self, rng: np.random.Generator, image_size: int, *, example: bool = False) -> Uint8Array:
        """A random image, uint8 [image_size, image_size, 3] RGB.

        A training image is cropped at random and mirrored with probability one half. An example is cropped to its
        centre.

        Arguments:
            rng: chooses image and crop. An unreadable image is added to `skipped`, and another one is chosen.
            image_size: the side of the result in pixels.
            example: choose from `examples`.

        Raises:
            BadDataError: 20 images in a row cannot be read.
        """
        paths = self.examples if example else self.paths
        for path in [paths[rng.integers(len(paths))] for _ in range(2 * TRIES)]:
            try:
                image = open_rgb(path)
            except BadDataError as error:
                self.skipped[path] = str(error)
                continue
            box = middle_square(image.size) if example else random_crop(image.size, rng)
            pixels = np.array(image.resize((image_size, image_size), Image.Resampling.BICUBIC, box))
            return pixels[:, ::-1].copy() if not example and rng.random() < 0.5 else pixels
        raise BadDataError(f"{2 * TRIES} images in a row could not be read", next(reversed(self.skipped.values())))


def find_images(root: Path) -> list[Path]:
    """The images in a folder at any depth, in natural order. Hidden files and folders are left out."""
    found = (file for _, files in visible_files(root) for file in files if file.suffix.lower() in SUFFIXES)
    return in_natural_order(found, root)


def random_crop(size: tuple[int, int], rng: np.random.Generator) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of a random crop of an image of size (width, height), as in MAE."""
    width, height = size
    for _ in range(TRIES):
        area = width * height * rng.uniform(*AREA)
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        across, down = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if across <= width and down <= height:
            left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
            return left, top, min(left + across, width), min(top + down, height)
    return middle_square(size, 1.0)  # an image much longer than wide


def middle_square(size: tuple[int, int], share: float = EVALUATION_CROP) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the centre square of an image of size (width, height)."""
    width, height = size
    side = share * min(size)
    return (width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2
