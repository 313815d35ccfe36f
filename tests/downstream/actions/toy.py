"""Small encoders, and videos of one grey level each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tests.videos import encode
from vgmae_bench import MethodSpec

SOURCE = '''
"""A stranger's encoder: how bright frames are, and how much they change."""
import torch
from torch import nn

class Brightness(nn.Module):
    num_frames, image_size, width = 4, 16, 2

    def __init__(self):
        super().__init__()
        self.norm = nn.Identity()
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, video):
        level = video.mean(dim=(1, 3, 4))
        return self.scale * torch.stack([level, level - level[:, :1]], dim=-1)
'''


class Blocks(nn.Module):
    """Two linear blocks on the mean colours of frames."""

    num_frames, image_size, width = 4, 16, 8

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Linear(3, 8)
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.norm: nn.Module = nn.LayerNorm(8)

    def forward(self, video: Tensor) -> Tensor:
        tokens: Tensor = self.embed(video.mean(dim=(3, 4)).transpose(1, 2))
        for block in self.blocks:
            tokens = tokens + torch.tanh(block(tokens))
        return tokens


SPEC = MethodSpec(name="blocks", summary="", encoder="tests.downstream.actions.toy:Blocks")


def brightness(path: Path, level: int, frames: int = 8, size: tuple[int, int] = (16, 32)) -> Path:
    """A video of one grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return encode(path, np.full((frames, *size, 3), level, dtype=np.uint8))


def folder(root: Path, videos: int = 4) -> Path:
    """Folders dark/ and light/ with videos of similar grey levels."""
    for name, level in (("dark", 40), ("light", 200)):
        for number in range(videos):
            brightness(root / name / f"{number}.mp4", level + 5 * number)
    return root
