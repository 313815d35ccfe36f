"""Reads single images, and folders of training images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from vgmae_bench.data.video.image_folder import IMAGE_SUFFIXES
from vgmae_bench.data.video.pixels import open_rgb
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.files import in_natural_order, visible_files
from vgmae_bench.types import Uint8Array

SUFFIXES = IMAGE_SUFFIXES | {".webp", ".bmp", ".tif", ".tiff"}
AREA = (0.2, 1.0)
"""Range of the area of a random crop, as a share of the image (MAE)."""
ASPECT = (3 / 4, 4 / 3)
"""Range of width over height of a random crop."""
TRIES = 10
EVALUATION_CROP = 0.875
"""Side of the centre crop, as a share of the image's shorter side: 224 of 256."""


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
