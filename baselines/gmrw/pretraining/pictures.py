"""Draws the flow between two frames, and one frame reconstructed from the other by this flow."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.viz.flow import colour_flow
from vgmae_bench.viz.mosaic import save_mosaic


def draw(images: Tensor, flow: Tensor, path: Path) -> None:
    """Draw a PNG with a row for each pair of frames.

    A row shows both frames, the flow (hue: direction; saturation: speed), and the second frame warped back to the first by
    the flow.

    Arguments:
        images: float [B, 2, 3, H, W] RGB in [0, 1].
        flow: [B, 2, H, W] (x, y) in pixels, from the first to the second.
    """
    first, second = images.unbind(1)
    rebuilt = follow(second, flow)
    frames = [(image.clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).cpu().numpy() for image in (first, second, rebuilt)]
    columns = [frames[0], frames[1], colour_flow(flow.permute(0, 2, 3, 1).cpu().numpy()), frames[2]]
    save_mosaic(zip(*columns, strict=True), path)


def follow(image: Tensor, flow: Tensor) -> Tensor:
    """Warp images [B, 3, H, W] backward: sample each pixel at its position plus flow [B, 2, H, W] in pixels."""
    height, width = image.shape[2:]
    y, x = torch.meshgrid(*(torch.arange(side, device=flow.device) for side in (height, width)), indexing="ij")
    place = torch.stack([x, y]) + flow + 0.5
    grid = place.permute(0, 2, 3, 1) / place.new_tensor([width, height]) * 2 - 1
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)
