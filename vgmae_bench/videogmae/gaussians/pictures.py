"""What a Video-GMAE network sees, to look at: the clip, its reconstruction, and how it says things move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.videogmae.gaussians.gaussians import Backend, Composite, Gaussians, fixed_camera, render_video
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.switches import Switches
from vgmae_bench.viz.flow import colour_flow
from vgmae_bench.viz.mosaic import save_mosaic

FRAMES = 4
"""Frames shown of a clip, evenly spread."""


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
    rows: list[list[npt.NDArray[np.uint8]]] = []
    for clip, flow in enumerate(flows):
        rows += [
            list(video[clip, shown].cpu().numpy()),
            list(rebuilt[clip, shown].cpu().numpy()),
            list(colour_flow(flow[shown].cpu().numpy())),
        ]
    save_mosaic(rows, path)
