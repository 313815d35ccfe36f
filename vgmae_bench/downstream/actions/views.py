"""Chooses views of a video (the frames, and the square of each frame), and augments clips for fine-tuning a classifier.

The augmentations are those of VideoMAE's fine-tuning without RandAugment: crops, erased rectangles, and mixtures of two
clips. All frames of a clip get the same augmentation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.data.video import Video
from vgmae_bench.data.video_folder import shorter_side
from vgmae_bench.errors import BadDataError
from vgmae_bench.settings import at_least
from vgmae_bench.types import Size, Uint8Array

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


def read_frames(video: Video, numbers: Sequence[int], size: Size | None = None) -> Uint8Array:
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


def views_of(video: Video, frames: int, size: int, config: ViewConfig) -> Uint8Array:
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


_ASPECT = 4 / 3  # the largest ratio of a crop's longer side to its shorter side
_ERASED = (0.02, 1 / 3)  # shares of the frame
_TRIES = 10


def random_crop(clip: Uint8Array, size: int, min_area: float, rng: np.random.Generator) -> Uint8Array:
    """Cut a random rectangle out of a clip and resize it (Szegedy et al. 2015).

    If no rectangle fits after ten tries, the largest square in the middle is taken.

    Arguments:
        clip: uint8 [T, H, W, 3].
        size: side of the result, pixels.
        min_area: smallest area of the rectangle, as a share of the frame. The aspect is between 3:4 and 4:3.
        rng: source of random numbers.

    Returns:
        uint8 [T, size, size, 3], resized bicubically with antialiasing.
    """
    top, left, height, width = _piece(clip.shape[1], clip.shape[2], (min_area, 1.0), rng)
    piece = torch.from_numpy(np.ascontiguousarray(clip[:, top : top + height, left : left + width]))
    images = piece.permute(0, 3, 1, 2).float()
    if images.shape[2:] != (size, size):
        images = F.interpolate(images, (size, size), mode="bicubic", antialias=True)
    return images.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def erase(video: Tensor, chance: float, rng: np.random.Generator) -> Tensor:
    """Fill a rectangle of some clips with noise, in place.

    Arguments:
        video: float [B, 3, T, S, S], normalised.
        chance: probability that a clip loses a rectangle. The rectangle is the same in all frames.
        rng: source of random numbers.
    """
    for clip in video:
        if rng.random() < chance:
            top, left, height, width = _piece(clip.shape[2], clip.shape[3], _ERASED, rng)
            noise = rng.standard_normal((3, clip.shape[1], height, width), dtype=np.float32)
            clip[:, :, top : top + height, left : left + width] = torch.from_numpy(noise).to(clip)
    return video


def mix(video: Tensor, targets: Tensor, mixup: float, cutmix: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mix every clip of a batch with another one, and its targets in the same proportion.

    If both mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) are on, a fair coin decides between them for each batch.

    Arguments:
        video: float [B, 3, T, S, S].
        targets: float [B, classes]; each row sums to 1.
        mixup: parameter of the beta distribution of the proportions; 0 turns mixup off.
        cutmix: the same for CutMix.
        rng: source of random numbers.
    """
    if not (mixup or cutmix) or len(video) < 2:
        return video, targets
    other = torch.from_numpy(rng.permutation(len(video))).to(video.device)
    if cutmix and (not mixup or rng.random() < 0.5):
        share = float(rng.beta(cutmix, cutmix))
        S = video.shape[-1]
        side = round(S * math.sqrt(1 - share))
        (top, bottom), (left, right) = (_span(int(rng.integers(S)), side, S) for _ in range(2))
        video = video.clone()
        video[..., top:bottom, left:right] = video[other][..., top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / S**2
    else:
        share = float(rng.beta(mixup, mixup))
        video = torch.lerp(video[other], video, share)
    return video, torch.lerp(targets[other], targets, share)


def _piece(H: int, W: int, area: tuple[float, float], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random rectangle whose area is a share of the frame's."""
    for _ in range(_TRIES):
        wanted = H * W * rng.uniform(*area)
        aspect = math.exp(rng.uniform(-math.log(_ASPECT), math.log(_ASPECT)))
        height, width = round(math.sqrt(wanted / aspect)), round(math.sqrt(wanted * aspect))
        if 0 < height <= H and 0 < width <= W:
            return int(rng.integers(H - height + 1)), int(rng.integers(W - width + 1)), height, width
    side = min(H, W)
    return (H - side) // 2, (W - side) // 2, side, side


def _span(centre: int, length: int, limit: int) -> tuple[int, int]:
    return max(centre - length // 2, 0), min(centre + (length + 1) // 2, limit)
