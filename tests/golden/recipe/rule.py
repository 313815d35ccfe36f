"""Weights by the goldens' rule, layers of a transformer in float64, and random inputs."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SALT = "small-1"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def rule(name: str, shape: tuple[int, ...], salt: str = SALT) -> Tensor:
    """The values of one tensor, drawn in float32 from its name and given in float64."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32((salt + name).encode())))
    values = rng.standard_normal(shape, dtype=np.float32)
    if len(shape) == 1:
        values = values * np.float32(0.1)
        values = values + np.float32(1) if name.endswith(".weight") else values
    elif shape[0] == 1:
        values = values * np.float32(0.5)
    else:
        values = values * np.float32(1 / math.sqrt(math.prod(shape[1:])))
    return torch.from_numpy(values).double()


class Weights(dict[str, Tensor]):
    """All tensors of a network that were asked for, by official name; they take gradients."""

    def take(self, name: str, *shape: int) -> Tensor:
        if name not in self:
            self[name] = rule(name, shape).requires_grad_()
        return self[name]

    def linear(self, x: Tensor, name: str, width: int, bias: bool = True) -> Tensor:
        return F.linear(x, self.take(f"{name}.weight", width, x.shape[-1]), self.bias(name, width) if bias else None)

    def bias(self, name: str, width: int) -> Tensor:
        return self.take(f"{name}.bias", width)

    def norm(self, x: Tensor, name: str, eps: float) -> Tensor:
        """LayerNorm over the last axis."""
        centred = x - x.mean(dim=-1, keepdim=True)
        scaled = centred / (centred.square().mean(dim=-1, keepdim=True) + eps).sqrt()
        return scaled * self.take(f"{name}.weight", x.shape[-1]) + self.bias(name, x.shape[-1])

    def attention(self, x: Tensor, name: str, heads: int, causal: bool) -> Tensor:
        """Self-attention whose queries, keys and values are rows of one matrix, heads next to each other."""
        batch, length, width = x.shape
        packed = self.linear(x, f"{name}.qkv", 3 * width).view(batch, length, 3, heads, width // heads)
        q, k, v = packed.permute(2, 0, 3, 1, 4)
        logits = q @ k.transpose(-1, -2) / math.sqrt(width // heads)
        if causal:
            later = torch.ones(length, length, dtype=torch.bool).triu(1)
            logits = logits.masked_fill(later, -math.inf)
        mixed = (logits.softmax(dim=-1) @ v).permute(0, 2, 1, 3).reshape(batch, length, width)
        return self.linear(mixed, f"{name}.proj", width)

    def block(self, x: Tensor, name: str, heads: int, causal: bool = False) -> Tensor:
        """A pre-norm transformer block with an MLP four times as wide."""
        x = x + self.attention(self.norm(x, f"{name}.norm1", 1e-6), f"{name}.attn", heads, causal)
        hidden = self.linear(self.norm(x, f"{name}.norm2", 1e-6), f"{name}.mlp.fc1", 4 * x.shape[-1])
        return x + self.linear(F.gelu(hidden), f"{name}.mlp.fc2", x.shape[-1])

    def fingerprints(self) -> dict[str, Any]:
        """As in FINGERPRINTS.json."""
        made = {}
        for name, value in self.items():
            flat = value.detach().reshape(-1)
            made[name] = {
                "shape": list(value.shape),
                "kind": "rule",
                "first3": flat[:3].tolist(),
                "sum": flat.sum().item(),
                "abs_sum": flat.abs().sum().item(),
            }
        return made


def normalised(frames: np.ndarray) -> Tensor:
    """uint8 [..., H, W, 3] to float64 of the same axes, ImageNet mean and deviation."""
    return (torch.from_numpy(frames).double() / 255 - torch.tensor(MEAN).double()) / torch.tensor(STD).double()


def noise(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """uint8 of all values."""
    return rng.integers(0, 256, shape, dtype=np.uint8)


def sines(position: Tensor, width: int) -> Tensor:
    """[N] to [N, width]: all sines, then all cosines, of falling frequency."""
    omega = 10000.0 ** (-torch.arange(width // 2).double() / (width / 2))
    angle = position.double()[:, None] * omega
    return torch.cat([angle.sin(), angle.cos()], dim=1)
