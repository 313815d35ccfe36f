"""Frames: decoding, reading and writing of videos and images. This module declares what all readers of videos offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from vgmae_bench.types import Size, Uint8Array

Frames = Iterator[Uint8Array]
"""Frames of one size, uint8 [H, W, 3] RGB, one at a time."""
DEFAULT_FPS = Fraction(25)
"""Frames per second of sources without a rate, such as a folder of images."""


@dataclass(frozen=True)
class Video(ABC):
    """A video whose headers are read and whose frames are not.

    Attributes:
        size: (height, width) of upright frames, pixels.
        fps: frames per second; the average if the rate varies.
        num_frames: the number of frames that `frames` gives.
    """

    size: Size
    fps: Fraction
    num_frames: int

    @abstractmethod
    def frames(self, size: Size | None = None, *, start: int = 0, stride: int = 1, threads: int = 0) -> Frames:
        """Every `stride`-th frame from frame `start` on.

        Arguments:
            size: (height, width) of the frames, resized by an anti-aliased bicubic filter; None: the video's own size.
            start: the first frame, counted from 0.
            stride: the step between frames.
            threads: number of decoding threads; 0: the codec decides.

        Raises:
            BadDataError: a frame cannot be decoded, or frames are missing at the end.
        """
