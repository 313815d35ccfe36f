"""Augmentations for fine-tuning a classifier: crops, flips, erased rectangles, and mixtures of two clips.

They are those of VideoMAE's fine-tuning without RandAugment. All frames of a clip get the same augmentation.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

_ASPECT = 4 / 3  # the largest ratio of a crop's longer side to its shorter side
_ERASED = (0.02, 1 / 3)  # shares of the frame
_TRIES = 10


def random_crop(
    clip: npt.NDArray[np.uint8], size: int, min_area: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
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
