"""The point-tracking readout: each query point looks into an encoder's tokens and answers for every frame at once.

Cross-attention readout of Video-GMAE (arXiv 2512.22489): 16 heads and a residual MLP in the paper. The official code
has 8 heads, no residual, and embeddings that do not follow their tokens; `OFFICIAL` is that.

Both answer with absolute positions, and training first goes into repeating where the query was, until that is finer than
motion. Additions of ours, for small budgets: displacements, the feature at the query's place, longer clips than the encoder's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgmae_bench.errors import UsageError
from vgmae_bench.models.nn import rows, xavier
from vgmae_bench.models.windows import WindowTracks

TokenOrder = Literal["identity", "shuffled"]
Encode = Callable[[Tensor, Tensor | None], Tensor]
"""(video [B, 3, T, S, S], order [B, L] or None) → features [B, L, De] of all tokens, in that order or in raster order."""

FOURIER_WIDTH = 512
"""Width of the linear embedding of the Fourier features, whatever the encoder's."""
FRAME_CODE = {"position": 0.02, "displacement": 0.5}
"""Standard deviation of the codes of frames that a new readout adds to its queries. With the small one a query says nearly the
same for all frames, and one clip's constant velocity takes twice as many steps and more to be learned."""
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
        predict: "position": the sigmoid of the output, in units of the frame (official). "displacement": the output is how
            far a point has gone from where it was queried, in patches, and 0 when the readout is new; its frames begin
            well apart (`FRAME_CODE`).
        query_feature: tell a query what its point looks like: the feature there, bilinear, is added to its code of the place.
            In the official code it knows the place alone.
        windows: so many of the encoder's clips, one after another, are encoded each for itself and read together.

    Raises:
        UsageError: a number that is not positive, or an odd number of features.
    """

    heads: int = 16
    mlp_residual: bool = True
    fourier_features: int = 16
    unshuffle: bool = True
    predict: Literal["position", "displacement"] = "position"
    query_feature: bool = False
    windows: int = 1

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise UsageError("The readout needs at least one head", f"heads is {self.heads}")
        if self.windows < 1:
            raise UsageError("The readout needs at least one clip of the encoder's", f"windows is {self.windows}")
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
        slots: of tokens that a clip of the encoder's has in time.
        grid: tokens along a side of a slot, which is square.
        num_frames: of a clip of the encoder's. The readout's T is `config.windows` times that.

    Raises:
        UsageError: the heads do not divide the width.
    """

    def __init__(self, config: ReadoutConfig, width: int, slots: int, grid: int, num_frames: int) -> None:
        super().__init__()
        if width % config.heads:
            raise UsageError(f"The readout's {config.heads} heads do not divide the encoder's width", f"it is {width}")
        self.config, self._grid = config, grid
        self.enc_temporal_embed = nn.Parameter(torch.zeros(1, config.windows * slots * grid**2, width))
        self.query_temporal_embed = nn.Parameter(torch.empty(1, config.windows * num_frames, width))
        self.norm = nn.LayerNorm(width)  # here with PyTorch's eps of 1e-5, as in the official code
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn = CrossAttention(width, config.heads)
        self.fourier_embedding = nn.Linear(3 * config.fourier_features, FOURIER_WIDTH)
        self.query_mlp = nn.Sequential(nn.Linear(FOURIER_WIDTH, width))
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.output_proj = nn.Linear(width, 3)
        if config.query_feature:
            self.feature_proj = nn.Linear(width, width)
        self.apply(xavier)
        nn.init.normal_(self.query_temporal_embed, std=FRAME_CODE[config.predict])
        if config.predict == "displacement":
            nn.init.zeros_(self.output_proj.weight)

    def read_clip(
        self, encode: Encode, video: Tensor, queries: Tensor, order: Tensor | None, points_at_once: int
    ) -> tuple[Tensor, Tensor]:
        """Encode a clip, float32 [B, 3, T, S, S], and answer queries on it; see `forward`.

        Arguments:
            order: int64 [B, L], the order in which the tokens of each of the encoder's clips are encoded; None: raster.
        """
        B, windows = len(video), self.config.windows
        clips = video.unflatten(2, (windows, -1)).transpose(1, 2).flatten(0, 1)
        kept = None if order is None else order.to(video.device).repeat_interleave(windows, dim=0)
        latents = encode(clips, kept).unflatten(0, (B, windows))
        if kept is not None:
            first = torch.arange(windows, device=video.device)[:, None] * kept.shape[1]
            kept = (kept.unflatten(0, (B, windows)) + first).flatten(1)
        answers: tuple[Tensor, Tensor] = self(latents.flatten(1, 2), queries, kept, points_at_once=points_at_once)
        return answers

    def forward(
        self, latents: Tensor, queries: Tensor, kept: Tensor | None = None, *, points_at_once: int = 64
    ) -> tuple[Tensor, Tensor]:
        """Answer every query independently of the others.

        Arguments:
            latents: float [B, n, De], all tokens of a clip.
            queries: float32 [B, N, 3], (t, y, x), each in [0, 1] of the clip; t is 0.
            kept: int64 [B, n], which token each latent is; None: they are in raster order.
            points_at_once: bounds the memory, which grows with points_at_once * T * n; does not change the answers.

        Returns:
            positions, float [B, N, T, 2], (x, y) in units of the frame, and the probability of being occluded,
            float [B, N, T].
        """
        features = self.norm(latents)
        places: Tensor = self.enc_temporal_embed
        if kept is not None and self.config.unshuffle:
            places = rows(places, kept)
        keys, values = self.cross_attn.keys_values(features + places)
        points = self.query_mlp(self.fourier_embedding(fourier_encode(queries, self.config.fourier_features)))
        if self.config.query_feature:
            first = (features if kept is None else rows(features, kept.argsort(dim=1)))[:, : self._grid**2]
            points = points + self.feature_proj(self._sampled(first, queries[..., [2, 1]]))
        some = torch.split(points, points_at_once, dim=1)
        out = torch.cat([self._answer(part, keys, values) for part in some], dim=1)
        if self.config.predict == "displacement":
            return queries[:, :, None, [2, 1]] + out[..., :2].float() / self._grid, out[..., 2].sigmoid()
        out = out.sigmoid()
        return out[..., :2], out[..., 2]

    def _answer(self, points: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Codes of queries [B, M, De] to outputs [B, M, T, 3]: of x, of y, logit of being occluded."""
        q = self.norm1((points[:, :, None] + self.query_temporal_embed).flatten(1, 2))
        q = q + self.cross_attn(q, keys, values)
        q = q + self.mlp(q) if self.config.mlp_residual else self.mlp(q)
        out: Tensor = self.output_proj(q)
        shaped: Tensor = out.unflatten(1, (points.shape[1], self.query_temporal_embed.shape[1]))
        return shaped

    def _sampled(self, tokens: Tensor, xy: Tensor) -> Tensor:
        """Features [B, N, De] of a slot [B, grid², De] at xy [B, N, 2] in units of the frame, bilinear."""
        maps = tokens.mT.unflatten(2, (self._grid, self._grid))
        at = (2 * xy - 1).to(maps.dtype)[:, :, None]
        read: Tensor = F.grid_sample(maps, at, padding_mode="border", align_corners=False)[..., 0].mT
        return read


def read_tracks(
    model: nn.Module, video: Tensor, xy: Tensor, order: Tensor | None = None, *, points_at_once: int = 512
) -> WindowTracks:
    """Tracks of points xy [M, 2] in the first frame of a clip [1, 3, T, S, S], pixels.

    Arguments:
        model: called like `vgmae_bench.videogmae.readout.ReadoutTracker`.
    """
    size = xy.new_tensor([video.shape[4], video.shape[3]])
    queries = torch.cat([torch.zeros_like(xy[:, :1]), (xy / size).flip(1)], dim=1)
    positions, occluded = model(video, queries[None], order, points_at_once=points_at_once)
    return WindowTracks(positions[0].float() * size, occluded[0] < 0.5)
