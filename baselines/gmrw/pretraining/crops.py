"""Cuts two crops of each clip, for the way out and for the way back, in batches on the device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.errors import UsageError
from vgmae_bench.settings import multiple_of, positive

from ..network import STRIDE


@dataclass(frozen=True)
class CropConfig:
    """Settings of random crops.

    Attributes:
        crop_size: side of the square result in pixels, a multiple of 8.
        crop_area: smallest and largest share of the frame; uniform distribution.
        crop_aspect: smallest and largest ratio of width to height, on either side of 1; log-uniform over the ratios with
            which a crop of the drawn area fits into the frame.

    Raises:
        UsageError: a value is out of range.
    """

    crop_size: int = 512
    crop_area: tuple[float, float] = (0.3, 1.0)
    crop_aspect: tuple[float, float] = (0.7, 1.3)

    def __post_init__(self) -> None:
        positive(self, "crop_size")
        multiple_of(self, crop_size=8)
        if not 0 < self.crop_area[0] <= self.crop_area[1] <= 1:
            raise UsageError("crop_area must be two shares, the smaller first", f"it is {self.crop_area}")
        if not 0 < self.crop_aspect[0] <= 1 <= self.crop_aspect[1]:
            raise UsageError("crop_aspect must be two ratios around 1", f"it is {self.crop_aspect}")


def draw_crops(seeds: tuple[int, ...], config: CropConfig, count: int = 2) -> Tensor:
    """Independent crops (x, y, width, height) in units of the frame: float64 [B, count, 4], each from its clip's seed."""
    uniform = np.stack([np.random.default_rng([seed, *b"crop"]).random((count, 4)) for seed in seeds])
    area, aspect, x, y = torch.from_numpy(uniform).unbind(-1)
    area = config.crop_area[0] + area * (config.crop_area[1] - config.crop_area[0])
    narrowest = area.clamp(min=config.crop_aspect[0]).log()
    widest = (1 / area).clamp(max=config.crop_aspect[1]).log()
    ratio = (narrowest + aspect * (widest - narrowest)).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    return torch.stack([x * (1 - width), y * (1 - height), width, height], dim=-1)


def crop(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut the same crop of every frame of a clip, and resample it bilinearly.

    Arguments:
        images: float [B, T, 3, H, W].
        boxes: [B, 4], as from `draw_crops`.
        size: side of the result in pixels.

    Returns:
        [B, T, 3, size, size]. The crop's border is the outer edge of its border pixels.
    """
    batch, frames = images.shape[:2]
    x, y, width, height = boxes.to(images).unbind(-1)
    zero = torch.zeros_like(x)
    theta = torch.stack([width, zero, 2 * x + width - 1, zero, height, 2 * y + height - 1], dim=-1).view(-1, 2, 3)
    grid = F.affine_grid(theta, [batch, 1, size, size], align_corners=False)
    cut = F.grid_sample(images.flatten(1, 2), grid, padding_mode="border", align_corners=False)
    return cut.view(batch, frames, 3, size, size)


def between_crops(outgoing: Tensor, returning: Tensor, size: int) -> Tensor:
    """The exact map from cells of one crop to cells of another: float64 [B, 2, 3] for `vgmae_baselines.gmrw.pretraining.warp`.

    Cell j is at pixel 4 j of its crop (`vgmae_baselines.gmrw.network`). A pixel's centre is half a pixel from its edge.

    Arguments:
        outgoing, returning: [B, 4], as from `draw_crops`.
        size: side of the crops in pixels.
    """
    scale = outgoing[:, 2:] / returning[:, 2:]
    shift = (outgoing[:, :2] - returning[:, :2]) / returning[:, 2:] * size + 0.5 * scale - 0.5
    return torch.cat([torch.diag_embed(scale), (shift / STRIDE)[:, :, None]], dim=2)
