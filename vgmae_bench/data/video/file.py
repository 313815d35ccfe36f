"""Videos as people have them: files that FFmpeg decodes, and folders of frame images.

Both are read through one small interface, a frame at a time and straight at the size that is wanted, so that a long
video costs no more memory than what is kept of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from vgmae_bench.errors import BadDataError
from vgmae_bench.files import natural_order
from vgmae_bench.types import Size

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif"})
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
DEFAULT_FPS = Fraction(25)
"""Of what does not say, such as a folder of images."""


class Video(Protocol):
    """A video that has been looked at but not read.

    Attributes:
        size: (height, width) as the video is meant to be seen, turned upright where it says how.
        fps: frames per second, the average where the rate varies.
        num_frames: as the file has it, or estimated from its duration; frames may end earlier or later.
    """

    @property
    def size(self) -> Size: ...

    @property
    def fps(self) -> Fraction: ...

    @property
    def num_frames(self) -> int: ...

    def frames(
        self, size: Size | None = None, *, start: int = 0, stride: int = 1, threads: int = 0
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """Every `stride`-th frame from frame `start` on, uint8 [H, W, 3] RGB.

        Arguments:
            size: (height, width) wanted, by a bicubic filter that is anti-aliased; None: the video's own.
            threads: that decode; 0: as many as the codec likes.

        Raises:
            BadDataError: a frame cannot be decoded.
        """
        ...


def open_video(path: Path) -> Video:
    """A video file (mp4, mkv, webm, gif and whatever else FFmpeg reads) or a folder of frame images, looked at.

    Raises:
        BadDataError: it is not there, cannot be read, or holds no frames.
    """
    return ImageFolder.open(path) if path.is_dir() else VideoFile.open(path)


def stack(frames: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Frames [H, W, 3] of one size as one array [T, H, W, 3], without holding them twice as `numpy.stack` would.

    Raises:
        ValueError: there are none.
    """
    pixels, shape = bytearray(), None
    for frame in frames:
        shape = frame.shape
        pixels += frame.tobytes()
    if shape is None:
        raise ValueError("there are no frames to stack")
    return np.frombuffer(pixels, dtype=np.uint8).reshape(-1, *shape)


@dataclass(frozen=True)
class VideoFile:
    """See `Video`. Holds no open file: it can be sent to another process.

    Attributes:
        quarter_turns: counter-clockwise, from the pictures as stored to upright ones.
    """

    path: Path
    size: Size
    fps: Fraction
    num_frames: int
    quarter_turns: int

    @classmethod
    def open(cls, path: Path) -> VideoFile:
        """Read the header and the first frame; only that tells how the pictures are turned."""
        with _reading(path), av.open(str(path)) as container:
            stream = _pictures(container, path)
            fps = _fraction(stream.average_rate) or _fraction(stream.guessed_rate) or DEFAULT_FPS
            num_frames = stream.frames or _estimate(container, stream, fps)
            first = next(iter(container.decode(stream)), None)
        if first is None:
            raise BadDataError(f"The video {path} cannot be read", "it holds no frames")
        turns = round(first.rotation / 90) % 4
        size = (first.width, first.height) if turns % 2 else (first.height, first.width)
        return cls(path, size, fps, max(num_frames, 1), turns)

    def frames(
        self, size: Size | None = None, *, start: int = 0, stride: int = 1, threads: int = 0
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """See `Video.frames`. Decoding begins at the key frame before `start`, which is found by its time."""
        height, width = size or self.size
        if self.quarter_turns % 2:
            height, width = width, height
        with _reading(self.path), av.open(str(self.path)) as container:
            stream = _pictures(container, self.path)
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = threads
            for number, frame in enumerate(self._from(container, stream, start)):
                if number % stride == 0:
                    pixels = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="BICUBIC")
                    yield np.ascontiguousarray(np.rot90(pixels, self.quarter_turns))

    def _from(self, container: Any, stream: Any, start: int) -> Iterator[Any]:
        """Decoded frames from frame `start` on."""
        if start == 0:
            yield from container.decode(stream)
            return
        ticks = 1 / (self.fps * _fraction(stream.time_base))
        first = (stream.start_time or 0) + start * ticks
        container.seek(int(first), stream=stream)
        for frame in container.decode(stream):
            if frame.pts is None or frame.pts + ticks / 2 > first:
                yield frame


@dataclass(frozen=True)
class ImageFolder:
    """See `Video`: the JPEG and PNG images of a folder in natural order, so that 9.png comes before 10.png."""

    files: tuple[Path, ...]
    size: Size
    fps: Fraction = DEFAULT_FPS

    @classmethod
    def open(cls, path: Path) -> ImageFolder:
        """List the images; the first one's header gives the size."""
        images = (file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.name[0] != ".")
        files = sorted(images, key=natural_order)
        if not files:
            raise BadDataError(f"The folder {path} is no video", "it holds no JPEG or PNG images")
        with _reading(files[0]), Image.open(files[0]) as image:
            return cls(tuple(files), (image.height, image.width))

    @property
    def num_frames(self) -> int:
        return len(self.files)

    def frames(
        self, size: Size | None = None, *, start: int = 0, stride: int = 1, threads: int = 0
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """See `Video.frames`."""
        height, width = size or self.size
        for file in self.files[start::stride]:
            with _reading(file), Image.open(file) as image:
                if (image.height, image.width) != self.size:
                    found, first = f"{image.width} x {image.height}", f"{self.size[1]} x {self.size[0]}"
                    raise BadDataError(f"The frame {file} is {found}", f"the first of its folder is {first}")
                yield np.array(image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever FFmpeg or Pillow think of a file becomes a BadDataError that names it."""
    try:
        yield
    except (av.FFmpegError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadDataError(f"{path} cannot be read", getattr(error, "strerror", None) or str(error)) from error


def _pictures(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise BadDataError(f"The video {path} cannot be read", "it holds no pictures")
    return container.streams.video[0]


def _estimate(container: Any, stream: Any, fps: Fraction) -> int:
    """How many frames the duration has room for; where the file does not tell it, how many packets it has."""
    if stream.duration:
        return round(int(stream.duration) * _fraction(stream.time_base) * fps)
    if container.duration:
        return round(Fraction(int(container.duration), av.time_base) * fps)
    packets = sum(1 for packet in container.demux(stream) if packet.size)
    container.seek(0)
    return packets


def _fraction(rate: Any) -> Fraction:
    """A rate of FFmpeg's as a fraction; 0 where there is none. (PyAV has two ways to say so, depending on its age.)"""
    return Fraction(int(rate.numerator), int(rate.denominator)) if rate else Fraction(0)
