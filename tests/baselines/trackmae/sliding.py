"""Clips that slide as a whole, and a teacher that knows the velocity."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from vgmae_baselines.trackmae.network import EncoderConfig, NetworkConfig
from vgmae_baselines.trackmae.teachers.teacher import TeacherTracks, grid_points

from vgmae_bench.config import Json
from vgmae_bench.training.recipe import Batch

NETWORK = NetworkConfig(
    image_size=32,
    patch_size=8,
    num_frames=8,
    embed_dim=48,
    depth=2,
    num_heads=3,
    decoder_embed_dim=32,
    decoder_num_heads=2,
    decoder_depth=1,
    motion_decoder_depth=1,
)

ENCODER = EncoderConfig(**{field.name: getattr(NETWORK, field.name) for field in fields(EncoderConfig)})

Velocity = tuple[float, float]


@dataclass(frozen=True)
class Sliding:
    """A teacher: every point moves by the same (x, y) pixels per frame, and is visible inside the frame."""

    velocity: Velocity

    def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> TeacherTracks:
        B, T, H, W, _ = video.shape
        start = grid_points(H, W, grid)
        xy = start[:, None] + torch.arange(T)[:, None] * torch.tensor(self.velocity)
        visible = ((xy >= 0) & (xy < torch.tensor([W, H]))).all(dim=-1)
        return TeacherTracks(xy.expand(B, -1, -1, -1), visible.expand(B, -1, -1))

    def describe(self) -> Json:
        return {"teacher": "sliding", "velocity": list(self.velocity)}


def clip(velocity: tuple[int, int], config: NetworkConfig = NETWORK, seed: int = 0) -> Tensor:
    """uint8 [T, H, W, 3]: a smooth periodic texture."""
    size = config.image_size
    noise = torch.from_numpy(np.random.default_rng(seed).random((1, 3, size, size), dtype=np.float32))
    smooth = F.avg_pool2d(F.pad(noise, (1, 1, 1, 1), mode="circular"), 3, stride=1)[0].permute(1, 2, 0)
    texture = ((smooth - smooth.min()) / (smooth.max() - smooth.min()) * 255).byte()
    x, y = velocity
    return torch.stack([texture.roll((y * t, x * t), dims=(0, 1)) for t in range(config.num_frames)])


def batch(velocity: tuple[int, int], seeds: tuple[int, ...] = (0,)) -> Batch:
    return Batch(clip(velocity).expand(len(seeds), -1, -1, -1, -1), seeds, numbers=seeds)
