"""Draws reconstructions of images during training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vgmae_bench.videogmae.network import pixel_mask
from vgmae_bench.videogmae.sizes import NetworkConfig
from vgmae_bench.viz.mosaic import save_mosaic

GREY = 128
"""The colour of hidden patches."""


def draw(images: Tensor, mask: Tensor, rebuilt: Sequence[Tensor], config: NetworkConfig, path: Path) -> None:
    """Draw a PNG with one row per image: the image, its visible part, and its reconstructions.

    Arguments:
        images: uint8 [B, 1, S, S, 3] RGB.
        mask: bool [B, L], True where a patch is hidden.
        rebuilt: reconstructions, each [B, 1, S, S, 3] in [0, 1].
    """
    shown = torch.where(pixel_mask(mask, config)[..., None], GREY, images).to(torch.uint8)
    columns = [images, shown, *((picture.clamp(0, 1) * 255).round().byte() for picture in rebuilt)]
    save_mosaic(zip(*(column[:, 0].cpu().numpy() for column in columns), strict=True), path)
