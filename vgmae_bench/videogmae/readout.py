"""The point-tracking readout: each query point looks into an encoder's tokens and answers for every frame at once.

Cross-attention readout of Video-GMAE (arXiv 2512.22489): 16 heads and a residual MLP in the paper. The official code
has 8 heads, no residual, and embeddings that do not follow their tokens; `OFFICIAL` is that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgmae_bench.errors import UsageError
from vgmae_bench.nn import xavier
from vgmae_bench.videogmae.network import Encoder, NetworkConfig, rows
from vgmae_bench.videogmae.positions import space_table

FOURIER_WIDTH = 512
"""Width of the linear embedding of the Fourier features, whatever the encoder's."""
DROPOUT = 0.1
"""Of the attention weights, in training."""


@dataclass(frozen=True)
class ReadoutConfig:
    """What the readout looks like.

    Attributes:
        heads: of the cross-attention.
        mlp_residual: add the MLP's input to its output.
        fourier_features: sines and cosines of each query coordinate; half as many octaves. More than about 32 asks for
            frequencies beyond the resolution of float32: noise.
        unshuffle: give each token the learned embedding of its own place, whatever order the encoder saw it in. Off,
            the embeddings follow the sequence, as in the official code; without shuffling the two are the same.

    Raises:
        UsageError: a number that is not positive, or an odd number of features.
    """

    heads: int = 16
    mlp_residual: bool = True
    fourier_features: int = 16
    unshuffle: bool = True

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise UsageError("The readout needs at least one head", f"heads is {self.heads}")
        if self.fourier_features < 2 or self.fourier_features % 2:
            raise UsageError(
                "The readout's fourier_features must be even and positive", f"it is {self.fourier_features}"
            )


OFFICIAL = ReadoutConfig(heads=8, mlp_residual=False, fourier_features=64, unshuffle=False)
"""The readout of the official code (tekotan/video-gmae, configuration gmae_ema.yaml)."""


def fourier_encode(coordinates: Tensor, features: int) -> Tensor:
    """Sines, then cosines, of x 2^k π for k < features / 2: float32 [..., C] in [0, 1] to [..., C * features].

    2^k π is rounded to float32 first and multiplied then: at high k another order of evaluation gives other numbers.
    """
    octaves = 2.0 ** torch.arange(features // 2, dtype=torch.float32, device=coordinates.device) * math.pi
    angles = coordinates.float()[..., None] * octaves
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)


class CrossAttention(nn.Module):
    """Multi-head attention into a memory that is projected once; named like `torch.nn.MultiheadAttention`'s weights."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """[B, L, width] to keys and values, each [B, heads, L, width / heads]."""
        width = memory.shape[-1]
        projected = F.linear(memory, self.in_proj_weight[width:], self.in_proj_bias[width:])
        keys, values = projected.chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Queries [B, S, width], keys and values of `keys_values`, to [B, S, width]."""
        width = queries.shape[-1]
        q = self._split(F.linear(queries, self.in_proj_weight[:width], self.in_proj_bias[:width]))
        mixed = F.scaled_dot_product_attention(q, keys, values, dropout_p=DROPOUT if self.training else 0.0)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        B, S, width = x.shape
        return x.view(B, S, self.heads, width // self.heads).transpose(1, 2)


class CrossAttentionReadout(nn.Module):
    """From the tokens of any encoder and query points to a position and an occlusion probability in every frame.

    Arguments:
        width: of the tokens, De.
        num_tokens: L, how many of them there are.
        num_frames: T.

    Raises:
        UsageError: the heads do not divide the width.
    """

    def __init__(self, config: ReadoutConfig, width: int, num_tokens: int, num_frames: int) -> None:
        super().__init__()
        if width % config.heads:
            raise UsageError(f"The readout's {config.heads} heads do not divide the encoder's width", f"it is {width}")
        self.config = config
        self.enc_temporal_embed = nn.Parameter(torch.zeros(1, num_tokens, width))
        self.query_temporal_embed = nn.Parameter(torch.empty(1, num_frames, width))
        self.norm = nn.LayerNorm(width)  # here with PyTorch's eps of 1e-5, as in the official code
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn = CrossAttention(width, config.heads)
        self.fourier_embedding = nn.Linear(3 * config.fourier_features, FOURIER_WIDTH)
        self.query_mlp = nn.Sequential(nn.Linear(FOURIER_WIDTH, width))
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.output_proj = nn.Linear(width, 3)
        self.apply(xavier)
        nn.init.normal_(self.query_temporal_embed, std=0.02)

    def forward(
        self, latents: Tensor, queries: Tensor, kept: Tensor | None = None, *, points_at_once: int = 64
    ) -> tuple[Tensor, Tensor]:
        """Answer every query independently of the others.

        Arguments:
            latents: float [B, n, De].
            queries: float32 [B, N, 3], (t, y, x), each in [0, 1] of the clip.
            kept: int64 [B, n], which token each latent is; None: all of them in raster order.
            points_at_once: bounds the memory, which grows with points_at_once * T * L; does not change the answers.

        Returns:
            positions, float [B, N, T, 2], (x, y) in [0, 1] of the frame, and the probability of being occluded,
            float [B, N, T].
        """
        if kept is not None and self.config.unshuffle:
            places = rows(self.enc_temporal_embed, kept)
        else:
            places = self.enc_temporal_embed[:, : latents.shape[1]]
        keys, values = self.cross_attn.keys_values(self.norm(latents) + places)
        some = torch.split(queries, points_at_once, dim=1)
        out = torch.cat([self._answer(points, keys, values) for points in some], dim=1)
        return out[..., :2], out[..., 2]

    def _answer(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """[B, M, 3] to [B, M, T, 3]: x, y, probability of being occluded."""
        B, M, _ = queries.shape
        points = self.query_mlp(self.fourier_embedding(fourier_encode(queries, self.config.fourier_features)))
        q = self.norm1((points[:, :, None] + self.query_temporal_embed).flatten(1, 2))
        q = q + self.cross_attn(q, keys, values)
        q = q + self.mlp(q) if self.config.mlp_residual else self.mlp(q)
        out: Tensor = self.output_proj(q).sigmoid()
        return out.view(B, M, self.query_temporal_embed.shape[1], 3)


class ReadoutTracker(Encoder):
    """A Video-GMAE encoder with the readout on top; the state dict is that of the official fine-tuned tracker."""

    def __init__(self, config: NetworkConfig, readout: ReadoutConfig) -> None:
        super().__init__(config)
        if config.position == "interpolate":
            # Never read; kept because the official checkpoints hold it.
            self.register_buffer("decoder_pos_embed", space_table(config, config.decoder_embed_dim))
        self.readout = CrossAttentionReadout(readout, config.embed_dim, config.num_tokens, config.num_frames)

    def forward(
        self, video: Tensor, queries: Tensor, order: Tensor | None = None, *, points_at_once: int = 64
    ) -> tuple[Tensor, Tensor]:
        """Encode the whole clip (`Encoder.encode`), then answer the queries (`CrossAttentionReadout.forward`)."""
        encoded = self.encode(video, order=order)
        answers: tuple[Tensor, Tensor] = self.readout(
            encoded.latent, queries, encoded.kept, points_at_once=points_at_once
        )
        return answers
