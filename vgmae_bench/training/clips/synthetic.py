"""Makes synthetic clips by number: seeds, scenes and frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vgmae_bench.data.synth.native import render_fast
from vgmae_bench.data.synth.scene import Scenes, SynthConfig, sample_scenes
from vgmae_bench.data.synth.tracks import points_seen, track_points
from vgmae_bench.training.recipe import ClipShape

Renderer = Callable[[Scenes, int, int], Tensor]
"""(scenes, height, width) → uint8 [B, T, height, width, 3] RGB."""
FINE = 64
"""Side in pixels. Smaller clips are rendered at twice their size and averaged, because their textures would flicker."""


def synth_scenes(seed: int, numbers: Sequence[int], shape: ClipShape, points: int = 1) -> Scenes:
    """The scenes of synthetic clips, on the CPU: from the training split, or from the validation split for examples.

    Arguments:
        seed: seed of the training.
        numbers: numbers of the clips. Those of examples are negative. Either all or none are examples.
        points: number of points for which the scenes need candidates.
    """
    config = SynthConfig(
        split="val" if numbers[0] < 0 else "train",
        height=shape.image_size,
        width=shape.image_size,
        frames=shape.frames,
        speed=shape.speed,
        points=points,
        seed=seed,
    )
    return sample_scenes(config, [abs(number) for number in numbers])


def synth_video(scenes: Scenes, size: int, render: Renderer = render_fast) -> Tensor:
    """Render the scenes, uint8 [B, T, size, size, 3] RGB. Small frames are averages of larger ones, like those of videos.

    Arguments:
        render: makes the frames. The default needs a compiler to be fast and rounds differently without one.
    """
    if size >= FINE:
        return render(scenes, size, size)
    fine = render(scenes, 2 * size, 2 * size).to(torch.int16)
    left, right = fine[..., ::2, :], fine[..., 1::2, :]
    pairs = left + right
    sums = pairs[..., ::2, :, :] + pairs[..., 1::2, :, :]
    # A fourth, rounded half to even.
    return ((sums + 1 + (sums >> 2 & 1)) >> 2).to(torch.uint8)


def synth_flow(scenes: Scenes, size: int) -> Tensor:
    """True flow to the next frame of the surface in each pixel: [B, T - 1, size, size, 2], (x, y), pixels."""
    B, T = scenes.camera_position.shape[:2]
    dtype, device = scenes.camera_position.dtype, scenes.camera_position.device
    ticks = (torch.arange(size, dtype=dtype, device=device) + 0.5) / size
    when = (torch.arange(T - 1, dtype=dtype, device=device) + 0.5) / T
    t, v, u = torch.meshgrid(when, ticks, ticks, indexing="ij")
    where = torch.stack([t, u, v], dim=-1).view(1, -1, 3).expand(B, -1, -1)
    xy = track_points(scenes, points_seen(scenes, where), size, size)[0].view(B, T - 1, size * size, T, 2)
    steps: Tensor = xy.diff(dim=3).diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)
    flow: Tensor = steps.unflatten(2, (size, size))
    return flow


def clip_seed(seed: int, number: int) -> int:
    """A 63-bit seed of clip `number` (which can be negative) in the training with seed `seed`."""
    words = [seed, number] if number >= 0 else [seed, -number, 2**32]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
