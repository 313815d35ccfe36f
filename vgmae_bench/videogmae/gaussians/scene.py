"""Collects the Gaussians' results for a whole clip, window by window, for visualisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from vgmae_bench.models.nn import ViTConfig
from vgmae_bench.types import FloatArray, Scene, Size
from vgmae_bench.videogmae.gaussians.gaussians import Backend, Gaussians, fixed_camera, render_video
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.switches import Switches


def whole_scene(
    num_frames: int,
    clip_size: Size,
    network: ViTConfig,
    gaussians_of: Callable[[int], Gaussians],
    switches: Switches,
    backend: Backend,
) -> Scene:
    """Flow, centres and reconstruction of all frames from windows that share a frame.

    Arguments:
        num_frames: number of frames of the clip. A single frame has no flow.
        clip_size: (height, width) of the frames in pixels; flow and centres are in these pixels.
        network: has the number of frames per window, and the side of reconstruction and flow in pixels. The last window may
            end after the clip.
        gaussians_of: returns the Gaussians (B = 1) of a window from its first frame; called in ascending order.
    """
    length, resolution = network.num_frames, network.image_size
    flow, centres, pictures, owner = [], [], [], []
    stretch = np.array([clip_size[1], clip_size[0]], dtype=np.float32) / resolution
    for start in range(0, max(num_frames - 1, 1), length - 1):
        gaussians = gaussians_of(start)
        camera = fixed_camera(resolution, resolution, like=gaussians.means)
        with torch.inference_mode():
            motion = read_motion(gaussians, camera, switches, backend)
            video = render_video(gaussians, camera, "over", backend)[0].clamp(0, 1)
        last = start + length >= num_frames
        shown = num_frames - start if last else length - 1  # two windows share a frame; it is taken from the later one
        flow.append(_numpy(motion.flow)[: min(shown, num_frames - 1 - start)] * stretch)
        centres.append(_numpy(motion.centres)[:shown] * stretch)
        pictures.append((_numpy(video)[:shown] * 255).round().astype(np.uint8))
        owner.append(np.full(shown, start))
    return Scene(
        flow=np.concatenate(flow),
        centres=np.concatenate(centres),
        window=np.concatenate(owner),
        reconstruction=np.concatenate(pictures),
    )


def _numpy(values: torch.Tensor) -> FloatArray:
    return np.asarray(values.cpu().numpy(), dtype=np.float32)
