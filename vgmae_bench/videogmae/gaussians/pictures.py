"""Draws pictures of a training: the clip, its visible part, the reconstruction, predicted motion and true motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.videogmae.gaussians.gaussians import Backend, Composite, Gaussians, fixed_camera, render_video
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.switches import Switches
from vgmae_bench.viz.draw import colour_flow, enlarge, save_mosaic

FRAMES = 4
"""Number of frames of a clip in a picture, evenly spaced."""
GREY = 128
"""Colour of hidden patches, and of motion that is unknown."""

Panels = dict[str, npt.NDArray[np.uint8]]
"""Pictures of one clip by name: uint8 [T - 1, S, S, 3]. The last frame is left out, because no frame follows it."""


def panels(
    video: Tensor,
    hidden: Tensor | None,
    masked: Gaussians,
    whole: Gaussians,
    true_flow: Tensor | None,
    mode: Composite,
    backend: Backend = "auto",
) -> list[Panels]:
    """For each clip: input, visible part (if something is hidden), reconstruction, flow, and true flow (if known).

    The hue of flow shows the direction, the saturation shows the speed.

    Arguments:
        video: uint8 [B, T, S, S, 3] RGB, T >= 2.
        hidden: bool [B, T, S, S], the pixels hidden from the network. None: nothing is hidden.
        masked: the Gaussians of the clips with these pixels hidden.
        whole: the Gaussians of the whole clips, as used in tracking.
        true_flow: motion to the next frame, [B, T - 1, S, S, 2], pixels, NaN where unknown; or None.
        mode: the background of the reconstruction.
        backend: back end of splatting.
    """
    camera = fixed_camera(video.shape[2], video.shape[3], like=whole.means)
    with torch.no_grad():
        rebuilt = (render_video(masked, camera, mode, backend).clamp(0, 1) * 255).byte()
        flows = [
            read_motion(Gaussians(*(part[clip : clip + 1] for part in whole)), camera, Switches(), backend).flow
            for clip in range(len(video))
        ]
    made = []
    for clip, flow in enumerate(flows):
        frames = video[clip, :-1]
        views = {"input": frames}
        if hidden is not None:
            views["shown"] = torch.where(hidden[clip, :-1, ..., None], GREY, frames).to(torch.uint8)
        views["reconstruction"] = rebuilt[clip, :-1]
        arrays = {name: view.cpu().numpy() for name, view in views.items()}
        arrays["flow"] = colour_flow(flow.cpu().numpy())
        if true_flow is not None:
            true = true_flow[clip].cpu().numpy()
            unknown = np.isnan(true).any(axis=-1, keepdims=True)
            arrays["true flow"] = np.where(unknown, np.uint8(GREY), colour_flow(np.nan_to_num(true)))
        made.append(arrays)
    return made


def save_picture(clips: list[Panels], path: Path) -> None:
    """Write a PNG with one row per kind of panel and clip, and up to `FRAMES` frames per row."""
    rows = [(name, frames) for clip in clips for name, frames in clip.items()]
    length = len(rows[0][1])
    shown = np.linspace(0, length - 1, min(FRAMES, length)).round().astype(int)
    save_mosaic([list(frames[shown]) for _, frames in rows], path, labels=[name for name, _ in rows])


def film(clip: Panels) -> list[npt.NDArray[np.uint8]]:
    """Frames of a video that shows the panels of a clip side by side."""
    return [enlarge(np.concatenate(frame, axis=1)) for frame in zip(*clip.values(), strict=True)]
