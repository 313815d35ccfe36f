"""A folder of frame images as a video."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from PIL import Image

from vgmae_bench.data.video import DEFAULT_FPS, Frames, Video
from vgmae_bench.data.video.complete import ALLOW_TRUNCATED
from vgmae_bench.data.video.images import IMAGE_SUFFIXES, deepest, open_rgb, reading, upright_size
from vgmae_bench.errors import BadDataError
from vgmae_bench.files import NUMBER, natural_order
from vgmae_bench.types import Size

OTHER_SUFFIXES = frozenset({
    ".webp", ".gif", ".bmp", ".tif", ".tiff", ".jfif", ".jpe", ".jp2", ".avif", ".heic", ".ppm", ".pgm", ".tga", ".exr",
})  # fmt: skip
"""Other kinds of images. A folder of frames must not hold any: they might be frames that would be left out."""

_COUNTER = r"\d+"
_FEW = 3  # names that an error lists
_CONVERT = "converting them to PNG, for example with magick mogrify -format png"
_STILL = ("PNG", "GIF", "WEBP")  # formats with animations; the second picture of an MPO is a preview


@dataclass(frozen=True)
class ImageFolder(Video):
    """The JPEG and PNG images of a folder in numeric order, so that 9.png comes before 10.png. All have the first one's size.

    Attributes:
        files: the images, in order.
        depth: bits per value in images of more than 8 bits (12 or 16), one for the whole folder; None: each image
            decides.
    """

    files: tuple[Path, ...]
    depth: int | None = None

    @classmethod
    def open(cls, path: Path, *, allow_gaps: bool = False) -> ImageFolder:
        """List the images and read the header of the first one. Images of more than 8 bits are all read, for `depth`.

        Raises:
            BadDataError: there are no images, they are not one sequence of frames, or the first cannot be read.
        """
        seen = sorted(file for file in path.iterdir() if file.name[0] != ".")
        images = [file for file in seen if file.suffix.lower() in IMAGE_SUFFIXES]
        others = [file for file in seen if file.suffix.lower() in OTHER_SUFFIXES]
        if not images:
            why = "it holds no JPEG or PNG images" + (f", but {len(others)} like {others[0].name}" if others else "")
            raise BadDataError(f"The folder {path} is no video", why, try_=_CONVERT if others else "")
        if others:
            raise _mixed(path, f"it holds {len(images)} JPEG or PNG images and {len(others)} like {others[0].name}")
        files = frame_order(images)
        if not allow_gaps and (lost := _first_gap(files)):
            what = f"The frames of {path} are incomplete: there is no number {lost[0]} between {lost[1]} and {lost[2]}"
            raise BadDataError(what, "later frames would be counted wrongly", try_=ALLOW_TRUNCATED)
        with reading(files[0]), Image.open(files[0]) as image:
            size = upright_size(image)
        return cls(size, DEFAULT_FPS, len(files), tuple(files), deepest(files))

    def frames(self, size: Size | None = None, *, start: int = 0, stride: int = 1, threads: int = 0) -> Frames:
        """See `Video.frames`."""
        height, width = size or self.size
        for file in self.files[start::stride]:
            with reading(file), Image.open(file) as opened:
                pictures = getattr(opened, "n_frames", 1) if opened.format in _STILL else 1
            if pictures > 1:
                why = f"it is an animation of {pictures} pictures, and one would be shown"
                raise BadDataError(f"The frame {file} cannot be used", why, try_="a file for each picture")
            image = open_rgb(file, self.depth)
            if (image.height, image.width) != self.size:
                found, first = f"{image.width} x {image.height}", f"{self.size[1]} x {self.size[0]}"
                raise BadDataError(f"The frame {file} is {found}", f"the first of its folder is {first}")
            yield np.array(image.resize((width, height), Image.Resampling.BICUBIC))


def frame_order(files: Sequence[Path]) -> list[Path]:
    """The images of a folder in numeric order.

    Raises:
        BadDataError: the images are not one sequence of frames: two have the same name (0.jpg beside 0.png), or some
            have another naming scheme (0.png beside 0_mask.png).
    """
    files = sorted(files, key=natural_order)
    twins: dict[str, Path] = {}
    for file in files:
        stem = unicodedata.normalize("NFC", file.stem)
        if stem in twins:
            raise _mixed(file.parent, f"{twins[stem].name} and {file.name} have one name")
        twins[stem] = file
    patterns: dict[str, list[Path]] = {}
    for file in files:
        suffix = file.suffix.lower().replace(".jpeg", ".jpg")
        patterns.setdefault(re.sub(NUMBER, "#", unicodedata.normalize("NFC", file.stem)) + suffix, []).append(file)
    if len(patterns) > 1 and max(map(len, patterns.values())) > 1:
        several = sorted(patterns.items(), key=lambda item: -len(item[1]))
        named = ", ".join(f"{len(members)} like {members[0].name}" for _, members in several[:_FEW])
        raise _mixed(files[0].parent, f"it holds {named}" + ", and others" * (len(several) > _FEW))
    number = _COUNTER if _counts_after_point([file.stem for file in files]) else NUMBER
    return sorted(files, key=lambda file: natural_order(file, number))


def _first_gap(files: Sequence[Path]) -> tuple[int, str, str] | None:
    """The first missing frame number, and the names of the files before and after it; None if no number is missing.

    The most frequent step between numbers counts as regular, for example 5 in 0, 5, 10. A gap is a larger multiple of it.
    Names with other steps are times and have no gaps.
    """
    found = [re.search(r"(?<![\d.,])\d+$", file.stem) for file in files]
    numbers = [int(match[0]) for match in found if match]
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    if len(numbers) < len(files) or not steps:
        return None
    step, times = Counter(steps).most_common(1)[0]
    gaps = [place for place, length in enumerate(steps) if length != step]
    if not gaps or step <= 0 or times * 2 < len(steps) or any(length <= 0 or length % step for length in steps):
        return None
    return numbers[gaps[0]] + step, files[gaps[0]].name, files[gaps[0] + 1].name


def _counts_after_point(stems: Sequence[str]) -> bool:
    """Whether the digits after the point count frames (1.8, 1.9, 1.10) and are not decimals (0.05, 0.10, 0.15)."""
    found = [re.search(r"(?<!\d)(?<!\d\.)(-?\d+)\.(\d+)$", stem) for stem in stems]
    if not all(found) or len({len(match[2]) for match in found if match}) == 1:
        return False
    decimals = sorted(Decimal(match[0]) for match in found if match)
    if len({after - before for before, after in itertools.pairwise(decimals)}) == 1:
        return False
    counts: dict[str, list[int]] = {}
    for match in found:
        if match:
            counts.setdefault(match[1], []).append(int(match[2]))
    return all(sorted(group) == list(range(min(group), min(group) + len(group))) for group in counts.values())


def _mixed(folder: Path, why: str) -> BadDataError:
    what = f"The images of {folder} are not one sequence of frames"
    return BadDataError(what, why, try_="moving masks and other images to another folder")
