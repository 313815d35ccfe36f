"""Encoders with known features, and test clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.models.nn import IMAGENET_MEAN, IMAGENET_STD


@dataclass
class Patches:
    """Random projections of the pixels of a patch, averaged over the frames of a map, plus `leak` times a code of the position.

    Without the leak, equal patches have equal features at all positions.
    """

    image_size: int = 64
    patch_size: int = 8
    num_frames: int = 8
    time_stride: int = 2
    leak: float = 0.0
    channels: int = 192

    def patch_features(self, video: Tensor) -> Tensor:
        p, side = self.patch_size, self.image_size // self.patch_size
        assert video.shape[1:] == (3, self.num_frames, self.image_size, self.image_size)
        cut = video.unflatten(2, (-1, self.time_stride)).mean(dim=3).unflatten(3, (side, p)).unflatten(5, (side, p))
        pixels = cut.permute(0, 2, 3, 5, 1, 4, 6).flatten(4)
        generator = torch.Generator().manual_seed(0)
        projection = torch.randn(3 * p * p, self.channels, generator=generator) / (3 * p * p) ** 0.5
        features: Tensor = pixels @ projection
        return features + self.leak * torch.randn(side, side, self.channels, generator=generator)


@dataclass
class ColourAndPlace:
    """The mean colour of a patch, and its position."""

    image_size: int = 64
    patch_size: int = 8
    num_frames: int = 8
    time_stride: int = 2

    def patch_features(self, video: Tensor) -> Tensor:
        p, side = self.patch_size, self.image_size // self.patch_size
        colour = video.unflatten(2, (-1, self.time_stride)).mean(dim=3).unflatten(3, (side, p)).unflatten(5, (side, p))
        row, column = torch.meshgrid(torch.linspace(-2, 2, side), torch.linspace(-2, 2, side), indexing="ij")
        place = torch.stack([row, column]).expand(len(video), colour.shape[2], 2, side, side)
        return torch.cat([colour.mean(dim=(4, 6)).transpose(1, 2), place], dim=2).permute(0, 1, 3, 4, 2)


def texture(seed: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8 [height, width, 3] without repetitions."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pan(step: tuple[int, int], frames: int, size: int = 64) -> npt.NDArray[np.uint8]:
    """uint8 [T, size, size, 3]: noise that moves by whole pixels (x, y) per frame."""
    margin = 64
    wide = texture(0, size + 2 * margin, size + 2 * margin)
    corners = [(margin - step[1] * t, margin - step[0] * t) for t in range(frames)]
    return np.stack([wide[top : top + size, left : left + size] for top, left in corners])


def restore_pixels(video: Tensor) -> Tensor:
    """Grey levels of normalised video [B, 3, T, S, S]."""
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return ((video * std + mean) * 255).round()
