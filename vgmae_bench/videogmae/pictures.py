"""What a Video-GMAE network sees, to look at: the clip, its reconstruction, and how it says things move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from vgmae_bench.videogmae.gaussians import Backend, Composite, Gaussians, fixed_camera, render_video
from vgmae_bench.videogmae.motion import read_motion
from vgmae_bench.videogmae.switches import Switches

FRAMES = 4
"""Frames shown of a clip, evenly spread."""
SMALLEST = 128
"""Frames smaller than this are enlarged, pixel by pixel."""
FULL_COLOUR = 1 / 32
"""A flow of this share of the frame's width per frame, or more, has the strongest colour."""


def draw(video: Tensor, gaussians: Gaussians, mode: Composite, path: Path, backend: Backend = "auto") -> None:
    """A PNG with three rows a clip: input, reconstruction, flow to the next frame (hue: direction; colour: speed).

    Arguments:
        video: uint8 [B, T, H, W, 3], T >= 2.
        gaussians: of those clips and frames.
    """
    shown = torch.linspace(0, video.shape[1] - 2, min(FRAMES, video.shape[1] - 1)).round().long()
    camera = fixed_camera(video.shape[2], video.shape[3], like=gaussians.means)
    with torch.no_grad():
        rebuilt = (render_video(gaussians, camera, mode, backend).clamp(0, 1) * 255).byte()
        flows = [
            read_motion(Gaussians(*(part[clip : clip + 1] for part in gaussians)), camera, Switches(), backend).flow
            for clip in range(len(video))
        ]
    rows = []
    for clip, flow in enumerate(flows):
        rows += [video[clip, shown].cpu().numpy(), rebuilt[clip, shown].cpu().numpy(), colour_flow(flow[shown])]
    picture = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    image = Image.fromarray(picture)
    factor = -(-SMALLEST // video.shape[2])
    image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST).save(path, format="PNG")


def colour_flow(flow: Tensor) -> npt.NDArray[np.uint8]:
    """Flow [..., H, W, 2] pixels to RGB uint8 [..., H, W, 3]; what does not move is white."""
    from matplotlib.colors import hsv_to_rgb

    x, y = flow.detach().cpu().numpy().astype(np.float64).transpose(-1, *range(flow.ndim - 1))
    speed = np.hypot(x, y) / (FULL_COLOUR * flow.shape[-2])
    hsv = np.stack([np.arctan2(y, x) / (2 * np.pi) % 1, speed.clip(0, 1), np.ones_like(speed)], axis=-1)
    return (hsv_to_rgb(hsv) * 255).astype(np.uint8)
