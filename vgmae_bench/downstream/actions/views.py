"""Chooses views of a video: the frames, and the square of each frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from vgmae_bench.data.video import Video
from vgmae_bench.data.video_folder import shorter_side
from vgmae_bench.errors import BadDataError
from vgmae_bench.settings import at_least
from vgmae_bench.types import Size

Sampling = Literal["dense", "uniform"]


@dataclass(frozen=True)
class ViewConfig:
    """Settings of the views of videos.

    None means the default for the data: dense with 5 × 3 views for Kinetics and folders, uniform with 2 × 3 views for
    Something-Something V2, uniform with 1 × 1 view for synth-actions.

    Attributes:
        sampling: "dense" takes frames `stride` apart. "uniform" cuts the video into equal parts and takes one frame of each.
        stride: frames of the video from one frame of a dense clip to the next.
        segments: clips tested for each video. Their answers are averaged.
        crops: squares of each clip, spread along the longer side.
        flip: mirror half of the clips in training. Leave it off if classes tell left from right.

    Raises:
        UsageError: a value is out of range.
    """

    sampling: Sampling | None = None
    stride: int = 4
    segments: int | None = None
    crops: int | None = None
    flip: bool | None = None

    def __post_init__(self) -> None:
        at_least(self, stride=1, segments=1, crops=1)


def frame_numbers(available: int, frames: int, sampling: Sampling, stride: int, segments: int) -> list[list[int]]:
    """Frame numbers of evenly spread clips, one list for each clip.

    Starts of dense clips are evenly spaced from the beginning of the video to the last start that has room; a single clip
    starts in the middle. Uniform clips take frames at evenly spaced places within the parts; a single clip takes the middle of
    each part. If the video is too short, its last frame is repeated.

    Arguments:
        available: frames of the video.
        frames: frames of a clip.
        sampling: see `ViewConfig`.
        stride: see `ViewConfig`.
        segments: number of clips.
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
    """Frame numbers of a training clip: a dense clip with a random start, or a random frame of each part."""
    if sampling == "dense":
        start = int(rng.integers(max(available - (frames - 1) * stride, 1)))
        chosen = [start + stride * frame for frame in range(frames)]
    else:
        part = available / frames
        chosen = [int(part * (frame + rng.random())) for frame in range(frames)]
    return [min(frame, available - 1) for frame in chosen]


def read_frames(video: Video, numbers: Sequence[int], size: Size | None = None) -> npt.NDArray[np.uint8]:
    """Read the frames with these numbers.

    Arguments:
        video: the video.
        numbers: T frame numbers, ascending. Numbers beyond the end of the video give its last frame.
        size: (height, width) of the result; None for the video's own.

    Returns:
        uint8 [T, H, W, 3] RGB.

    Raises:
        BadDataError: the frames cannot be decoded, or the video ends before the first of them.
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
        raise BadDataError(f"A video ends before frame {first}", "its header has a larger number of frames")
    return np.stack([held.get(place, last) for place in places])


def views_of(video: Video, frames: int, size: int, config: ViewConfig) -> npt.NDArray[np.uint8]:
    """Read all views of a video for testing.

    The shorter side is resized to `size`. Squares are evenly spaced along the longer side; a single square is in the middle.

    Arguments:
        video: the video.
        frames: T, frames of a view.
        size: side of a view, pixels.
        config: the views. No field is None.

    Returns:
        uint8 [segments * crops, T, size, size, 3] RGB.

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
