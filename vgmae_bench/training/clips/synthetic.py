"""Synthetic clips by number: their seeds, scenes and frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vgmae_bench.data.synth.dataset import Scenes, SynthConfig, render_video, sample_scenes
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


def clip_seed(seed: int, number: int) -> int:
    """A seed of 63 bits for clip `number`, negative ones included, of the training with that seed."""
    words = [seed, number] if number >= 0 else [seed, -number, 2**32]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
