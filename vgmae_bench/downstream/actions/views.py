"""Views: which frames of a video are looked at, and which square of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from vgmae_bench.data.video.file import Video
from vgmae_bench.data.video_folder import shorter_side
from vgmae_bench.errors import BadDataError, UsageError
from vgmae_bench.types import Size

Sampling = Literal["dense", "uniform"]


@dataclass(frozen=True)
class ViewConfig:
    """How videos are looked at. None: as is usual for the data (Kinetics: dense, 5 × 3; Something-Something V2: uniform,
    2 × 3; a folder: as Kinetics; synth-actions: uniform, 1 × 1).

    Attributes:
        sampling: "dense" takes frames `stride` apart, "uniform" one frame out of each of as many equal parts of the video.
        stride: frames of the video from one frame of a dense clip to the next.
        segments: clips of a video that are tested; their answers are averaged.
        crops: squares of each of them, from one end of the longer side to the other.
        flip: half of the clips that are learned from are mirrored; never where left and right make classes.

    Raises:
        UsageError: a number out of its range.
    """

    sampling: Sampling | None = None
    stride: int = 4
    segments: int | None = None
    crops: int | None = None
    flip: bool | None = None

    def __post_init__(self) -> None:
        for name in ("stride", "segments", "crops"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1", f"it is {value}")


def frame_numbers(available: int, frames: int, sampling: Sampling, stride: int, segments: int) -> list[list[int]]:
    """The frames of each of some evenly spread clips.

    Dense clips start at equal distances from the beginning of the video to the last start that has room, a single one in the
    middle; uniform ones take their frames at equal distances within the parts, a single one in the middle of them. Where the
    video is too short, its last frame is repeated.
    """
    if sampling == "dense":
        room = max(available - ((frames - 1) * stride + 1), 0)
        starts = [room / 2] if segments == 1 else [room * segment / (segments - 1) for segment in range(segments)]
        chosen = [[int(start) + stride * frame for frame in range(frames)] for start in starts]
    else:
        part = available / frames
        shifts = [(segment + 0.5) / segments for segment in range(segments)]
        chosen = [[int(part * (frame + shift)) for frame in range(frames)] for shift in shifts]
    return [[min(frame, available - 1) for frame in clip] for clip in chosen]


def random_numbers(rng: np.random.Generator, available: int, frames: int, sampling: Sampling, stride: int) -> list[int]:
    """The frames of a clip to learn from: a dense one of random start, or a random frame out of each part."""
    if sampling == "dense":
        start = int(rng.integers(max(available - (frames - 1) * stride, 1)))
        chosen = [start + stride * frame for frame in range(frames)]
    else:
        part = available / frames
        chosen = [int(part * (frame + rng.random())) for frame in range(frames)]
    return [min(frame, available - 1) for frame in chosen]


def read_frames(video: Video, numbers: Sequence[int], size: Size | None = None) -> npt.NDArray[np.uint8]:
    """Frames of those ascending numbers, uint8 [T, H, W, 3], at a size; the last one there is in place of those beyond it.

    Raises:
        BadDataError: they cannot be decoded, or the video ends before the first.
    """
    first = numbers[0]
    step = math.gcd(*(number - first for number in numbers)) or 1
    places = [(number - first) // step for number in numbers]
    wanted, held = set(places), {}
    last = None
    for place, frame in enumerate(islice(video.frames(size, start=first, stride=step, threads=1), places[-1] + 1)):
        last = frame
        if place in wanted:
            held[place] = frame
    if last is None:
        raise BadDataError(f"A video ends before frame {first}", "its header promises more")
    return np.stack([held.get(place, last) for place in places])


def views_of(video: Video, frames: int, size: int, config: ViewConfig) -> npt.NDArray[np.uint8]:
    """The views that are tested: uint8 [segments * crops, T, size, size, 3] RGB; `config` has no None left.

    The shorter side becomes `size`; squares lie at equal distances along the longer one, a single one in the middle.

    Raises:
        BadDataError: the video cannot be read.
    """
    assert config.sampling and config.segments and config.crops
    scaled = shorter_side(video.size, size)
    crops = config.crops
    shares = [0.5] if crops == 1 else [crop / (crops - 1) for crop in range(crops)]
    views = []
    for numbers in frame_numbers(max(video.num_frames, 1), frames, config.sampling, config.stride, config.segments):
        clip = read_frames(video, numbers, scaled)
        for share in shares:
            top, left = (round(share * (side - size)) for side in clip.shape[1:3])
            views.append(clip[:, top : top + size, left : left + size])
    return np.stack(views)
