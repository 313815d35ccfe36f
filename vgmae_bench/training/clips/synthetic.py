"""Synthetic clips by number: their seeds, scenes and frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vgmae_bench.data.synth.dataset import Scenes, SynthConfig, render_video, sample_scenes
from vgmae_bench.data.synth.tracks import points_seen, track_points
from vgmae_bench.training.recipe import ClipShape

FINE = 64
"""Pixels a side below which clips are rendered at twice their size and averaged: their textures would flicker."""


def synth_scenes(seed: int, numbers: Sequence[int], shape: ClipShape, points: int = 1) -> Scenes:
    """The scenes of synthetic clips, on the CPU: the training split's, or those of the validation split for examples.

    Arguments:
        seed: of the training.
        numbers: of the clips; negative for examples, all or none.
        points: how many points the scenes should have candidates for.
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


def synth_video(scenes: Scenes, size: int) -> Tensor:
    """The scenes' frames, uint8 [B, T, size, size, 3] RGB; small ones are averaged from finer ones, as those of videos are."""
    if size >= FINE:
        return render_video(scenes, size, size)
    fine = render_video(scenes, 2 * size, 2 * size)
    squares = fine.float().view(*fine.shape[:2], size, 2, size, 2, 3)
    return squares.mean(dim=(3, 5)).round().to(torch.uint8)


def synth_flow(scenes: Scenes, size: int) -> Tensor:
    """How far the surface in each pixel moves to the next frame: [B, T - 1, size, size, 2], (x, y), pixels."""
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
    """A seed of 63 bits for clip `number`, negative ones included, of the training with that seed."""
    words = [seed, number] if number >= 0 else [seed, -number, 2**32]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
