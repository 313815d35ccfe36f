"""Building blocks of Vision Transformers: sin-cos position tables, pre-norm transformer blocks, and initial weights.

Names of sub-modules are those of timm (`attn.qkv`, `mlp.fc1`, ...), as in released checkpoints of the MAE family.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgmae_bench.config import build, read_toml
from vgmae_bench.devices import constant
from vgmae_bench.settings import multiple_of, positive

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of the RGB values of ImageNet, in [0, 1]."""

SHORT = 512
"""Longest sequence for which `attend` may hold all weights in memory."""

NORM_EPS = 1e-6
"""Epsilon of every LayerNorm in encoders and decoders, as in MAE. PyTorch's default is 1e-5."""

CORRELATION = 0.9
"""Correlations assumed by whitening: of pixels that are neighbours in space or time, and of the colours of a pixel."""
NOISE = 0.01
"""Share of white noise, so that weak components are not amplified too much."""

C = TypeVar("C", bound="ViTConfig")


@dataclass(frozen=True)
class ViTConfig:
    """The shape of a Vision Transformer that encodes clips of square frames.

    Attributes:
        image_size, patch_size: sides of the frames and of their square patches, in pixels.
        num_frames: frames per clip, T.
        embed_dim, depth, num_heads: width, number of blocks and number of heads of the encoder.
        mlp_ratio: hidden width of the MLPs divided by their width, also in the decoders.
        attention_start: initial attention: "random" (paper), or queries equal to keys ("similar", ours).
        patch_start: initial patch embedding: "random" (paper), or whitened patches ("whitened", ours).

    Raises:
        UsageError: a number is not positive, or numbers are not divisible as needed.
    """

    image_size: int = 224
    patch_size: int = 16
    num_frames: int = 16
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    mlp_ratio: float = 4.0
    attention_start: Literal["random", "similar"] = "random"
    patch_start: Literal["random", "whitened"] = "random"

    def __post_init__(self) -> None:
        positive(self, *(name for name, value in vars(self).items() if not isinstance(value, str)))
        multiple_of(self, image_size="patch_size", embed_dim="num_heads")

    @property
    def grid(self) -> int:
        """Patches along one side of a frame."""
        return self.image_size // self.patch_size


def tiny_size(shape: type[C], module: str) -> C:
    """The network of a method's configuration `tiny`, which is beside the module (its `__file__`) in `configs`."""
    return build(shape, read_toml(Path(module).parent / "configs" / "tiny.toml")["network"], owner="tiny.toml")


def imagenet_statistics(like: Tensor) -> tuple[Tensor, Tensor]:
    """`IMAGENET_MEAN` and `IMAGENET_STD`, [3, 1, 1] each, in the dtype and on the device of `like`."""
    mean, std = (constant(values, like).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return mean, std


def sincos_1d(positions: np.ndarray, width: int) -> np.ndarray:
    """float64 [len(positions), width]: sines, then cosines, of positions at frequencies 10000^(-k / (width / 2))."""
    frequencies = 10000.0 ** (-np.arange(width // 2) / (width / 2))
    angles = np.multiply.outer(positions.astype(np.float64), frequencies)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def sincos_points(columns: np.ndarray, rows: np.ndarray, width: int) -> np.ndarray:
    """float64 [len(columns), width]: the first half of the width encodes the column, the second the row.

    The column comes first, as in MAE's tables. Fractions are allowed.
    """
    return np.concatenate([sincos_1d(columns, width // 2), sincos_1d(rows, width // 2)], axis=1)


def sincos_2d(grid: int, width: int) -> np.ndarray:
    """float64 [grid * grid, width] in raster order: `sincos_points` of the cells of a square grid."""
    rows, columns = np.divmod(np.arange(grid * grid), grid)
    return sincos_points(columns, rows, width)


def sincos_3d(frames: int, grid: int, width: int) -> np.ndarray:
    """float64 [frames * grid * grid, width], time-major: the first quarter encodes time, the rest is `sincos_2d`."""
    time = np.repeat(sincos_1d(np.arange(frames), width // 4), grid * grid, axis=0)
    space = np.tile(sincos_2d(grid, width - width // 4), (frames, 1))
    return np.concatenate([time, space], axis=1)


def rows(table: Tensor, ids: Tensor) -> Tensor:
    """Rows `ids` [B, n] of a table [1 or B, L, D]: [B, n, D]."""
    return table.expand(len(ids), -1, -1).gather(1, ids[..., None].expand(-1, -1, table.shape[-1]))


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
    """Scaled dot-product attention of q [..., M, D] with k and v [..., N, D]: [..., M, D].

    On a CPU, torch's fused attention is slow in bfloat16 with gradients. Short sequences are faster as two matrix products.

    Arguments:
        mask: bool [M, N], True where the row may attend to the column.
        causal: rows may attend to the columns up to their own.
    """
    plain = mask is None and not causal
    learns = q.requires_grad and q.device.type == "cpu" and q.dtype == torch.bfloat16
    if plain and learns and k.shape[-2] <= SHORT:
        weights: Tensor = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(dim=-1)
        return weights @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)


class PatchEmbed(nn.Module):
    """One linear map from patch or tubelet to token. Checkpoints store a convolution; here it is a matrix product.

    Arguments:
        convolution: the convolution, whose stride is the size of its kernel.
    """

    def __init__(self, convolution: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        self.proj = convolution

    def forward(self, patches: Tensor) -> Tensor:
        """Tokens [..., width] of the values of patches [..., n] (channel, frame, row, column)."""
        return F.linear(patches, self.proj.weight.flatten(1), self.proj.bias)


class Attention(nn.Module):
    """Multi-head self-attention. The rows of `qkv` are [q, k, v]; the channels of a head are contiguous."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(
        self, x: Tensor, *, causal: bool = False, mask: Tensor | None = None, last: int | None = None
    ) -> Tensor:
        """Map [B, S, width] to [B, S, width].

        Arguments:
            mask: bool [S, S], True where the row may attend to the column.
            last: compute only so many of the last rows, [B, last, width]. It does not go with `causal`.
        """
        if last is None:
            q, k, v = self._split(self.qkv(x), 3)
        else:
            weights, biases = (values.split([x.shape[2], 2 * x.shape[2]]) for values in self.qkv.parameters())
            (q,) = self._split(F.linear(x[:, -last:], weights[0], biases[0]), 1)
            k, v = self._split(F.linear(x, weights[1], biases[1]), 2)
            mask = None if mask is None else mask[-last:]
        out: Tensor = self.proj(attend(q, k, v, mask, causal=causal).transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor, parts: int) -> Tensor:
        """Map [B, S, parts * width] to [parts, B, heads, S, width / heads]."""
        heads: Tensor = x.unflatten(2, (parts, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return heads


class Mlp(nn.Module):
    """Linear, exact GELU, Linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., width] to [..., width]."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """A pre-norm transformer block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = Mlp(width, round(width * mlp_ratio))

    def forward(
        self, x: Tensor, *, causal: bool = False, mask: Tensor | None = None, last: int | None = None
    ) -> Tensor:
        """Map [B, S, width] to [B, S or last, width]; see `Attention.forward`."""
        mixed = self.attn(self.norm1(x), causal=causal, mask=mask, last=last)
        x = mixed + (x if last is None else x[:, -last:])
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def xavier(module: nn.Module) -> None:
    """Initialise a module (for `module.apply`) as in MAE: Xavier-uniform matrices, also in patch embeddings; zero biases."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.Conv3d):
        with torch.no_grad():
            nn.init.xavier_uniform_(module.weight.view(module.weight.shape[0], -1))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def similar_attention(module: nn.Module) -> None:
    """Make the queries of every head equal to its keys (for `blocks.apply`). Both are an isometry of a part of the features.

    Tokens then attend to tokens of similar content and position, as matching of frames requires. Random queries and keys need
    long to learn this (Trockman and Kolter, Mimetic Initialization, arXiv 2305.09828). Our addition, for small data.
    """
    if isinstance(module, Attention):
        query, key, _ = module.qkv.weight.detach().chunk(3)  # views of the parameter, not copies
        for head in query.chunk(module.heads):
            nn.init.orthogonal_(head)
        key.copy_(query)


def whitened_patches(projection: nn.Conv2d | nn.Conv3d) -> None:
    """Initialise a patch or tubelet embedding so that it represents all of a patch's content equally.

    Neighbouring pixels are similar. A random projection thus represents mostly the mean colour of a patch, and hardly the fine
    differences that motion causes. This one is an isometry of whitened patches, for the statistics of a stationary first-order
    Markov image. Our addition, for small data.
    """
    if projection.weight.is_meta:  # a network whose weights will be loaded
        return
    width, colours, *sizes = projection.weight.shape
    covariance = torch.full((colours, colours), CORRELATION, dtype=torch.float64).fill_diagonal_(1)
    for size in sizes:
        steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
        covariance = torch.kron(covariance, torch.from_numpy(CORRELATION**steps))
    variance, components = torch.linalg.eigh(covariance + NOISE * torch.eye(len(covariance)))
    kept = min(width, len(variance))
    whitening = components[:, -kept:] / variance[-kept:].sqrt()
    turn: Tensor = nn.init.orthogonal_(torch.empty(width, kept))
    with torch.no_grad():
        projection.weight.copy_((turn.double() @ whitening.T).view_as(projection.weight))
