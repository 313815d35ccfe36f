"""The point-tracking readout: each query attends to an encoder's tokens and predicts all frames at once.

This is the cross-attention readout of Video-GMAE (arXiv 2512.22489). The paper has 16 heads and a residual MLP. The official
code has 8 heads, no residual, and embeddings that do not follow their tokens (`OFFICIAL`).

Both predict absolute positions. Training then first learns to repeat the query's position, and learns motion late. Our
additions for small budgets: displacements, features at the query's position, a second MLP, and clips that are longer than the
encoder's.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator
from torch import Tensor, nn

from vgmae_bench.devices import at_once, constant
from vgmae_bench.errors import UsageError
from vgmae_bench.models.nn import rows, xavier
from vgmae_bench.models.windows import WindowTracks
from vgmae_bench.settings import at_least

TokenOrder = Literal["identity", "shuffled"]
Predict = Literal["position", "displacement"]
QueryFeature = Annotated[
    Literal["none", "first", "both"],
    BeforeValidator(
        lambda value: {True: "first", False: "none"}.get(value, value) if isinstance(value, bool) else value
    ),
]
"""Features that a query contains. Older weights files have true for "first" and false for "none"."""

FOURIER_WIDTH = 512
"""Width of the linear embedding of the Fourier features, for all encoders."""
FRAME_CODE = {"position": 0.02, "displacement": 0.5}
"""Standard deviation of the initial frame codes of a new readout. With smaller codes, a query is nearly equal in all frames,
and learning one clip's constant velocity takes more than twice as many steps."""
DROPOUT = 0.1
"""Dropout of the attention weights in training (official)."""


@dataclass(frozen=True)
class ReadoutConfig:
    """The shape of the readout.

    Attributes:
        heads: number of heads of the cross-attention.
        mlp_residual: add the MLP's input to its output.
        fourier_features: number of sines and cosines per query coordinate; half of it is the number of octaves. With more than
            about 32, frequencies exceed the resolution of float32, and the features are noise.
        unshuffle: give each token the learned embedding of its own position, for any order of the tokens. False: the
            embeddings follow the sequence, as in the official code. Without shuffling, both are the same.
        predict: "position": the sigmoid of the output, in units of the frame (official). "displacement" (ours): the output is
            the displacement since the query in patches, 0 in a new readout. Its initial frame codes are far apart
            (`FRAME_CODE`).
        query_feature: additional content of a query, besides its position.
            "none": nothing (official).
            "first": the feature at its position in the first frame, bilinear.
            "both": the token that contains it in the first frame, and the token at the same place in the target frame. Ours.
            Tokens are not interpolated: a mean of neighbours would blur the detail that shows motion.
        mlps: number of MLPs after the attention; the paper has one. All except the first have a norm and a residual.
        code_scale: factor of the position and frame codes in a query. Below 1, features dominate at the start.
        windows: number of consecutive clips of the encoder that are encoded separately and read together.

    Raises:
        UsageError: a number is not positive, or the number of features is odd.
    """

    heads: int = 16
    mlp_residual: bool = True
    fourier_features: int = 16
    unshuffle: bool = True
    predict: Predict = "position"
    query_feature: QueryFeature = "none"
    mlps: int = 1
    code_scale: float = 1.0
    windows: int = 1

    def __post_init__(self) -> None:
        at_least(self, heads=1, windows=1, mlps=1)
        if self.fourier_features < 2 or self.fourier_features % 2:
            raise UsageError(
                "The readout's fourier_features must be even and positive", f"it is {self.fourier_features}"
            )


OFFICIAL = ReadoutConfig(heads=8, mlp_residual=False, fourier_features=64, unshuffle=False)
"""The readout of the official code (tekotan/video-gmae, configuration gmae_ema.yaml)."""


def fourier_encode(coordinates: Tensor, features: int) -> Tensor:
    """Sines, then cosines, of x 2^k π for k < features / 2: [..., C * features] from float32 [..., C] in [0, 1].

    2^k π is rounded to float32 before the multiplication. At high k, another order of operations gives other numbers.
    """
    octaves = 2.0 ** torch.arange(features // 2, dtype=torch.float32, device=coordinates.device) * math.pi
    angles = coordinates.float()[..., None] * octaves
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)


class CrossAttention(nn.Module):
    """Multi-head cross-attention. The memory is projected once. Names of weights as in `torch.nn.MultiheadAttention`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.dropout = heads, DROPOUT
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, each [B, heads, L, width / heads], of a memory [B, L, width]."""
        width = memory.shape[-1]
        projected = F.linear(memory, self.in_proj_weight[width:], self.in_proj_bias[width:])
        keys, values = projected.chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attend with queries [B, S, width] to keys and values from `keys_values`. Returns [B, S, width]."""
        width = queries.shape[-1]
        q = self._split(F.linear(queries, self.in_proj_weight[:width], self.in_proj_bias[:width]))
        mixed = F.scaled_dot_product_attention(q, keys, values, dropout_p=self.dropout if self.training else 0.0)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        B, S, width = x.shape
        return x.view(B, S, self.heads, width // self.heads).transpose(1, 2)


class CrossAttentionReadout(nn.Module):
    """Predicts position and occlusion of query points in every frame, from the tokens of any encoder.

    Arguments:
        width: width of the tokens, De.
        slots: number of tokens in time per clip of the encoder.
        grid: number of tokens along a side of a slot, which is square.
        num_frames: frames per clip of the encoder. The readout's T is `config.windows` times this.

    Raises:
        UsageError: the heads do not divide the width.
    """

    def __init__(self, config: ReadoutConfig, width: int, slots: int, grid: int, num_frames: int) -> None:
        super().__init__()
        if width % config.heads:
            raise UsageError(f"The readout's {config.heads} heads do not divide the encoder's width", f"it is {width}")
        self.config, self.grid = config, grid
        self._slot_of_frame = [frame * slots // num_frames for frame in range(config.windows * num_frames)]
        self.enc_temporal_embed = nn.Parameter(torch.zeros(1, config.windows * slots * grid**2, width))
        self.query_temporal_embed = nn.Parameter(torch.empty(1, config.windows * num_frames, width))
        self.norm = nn.LayerNorm(width)  # with PyTorch's eps of 1e-5, as in the official code
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn = CrossAttention(width, config.heads)
        self.fourier_embedding = nn.Linear(3 * config.fourier_features, FOURIER_WIDTH)
        self.query_mlp = nn.Sequential(nn.Linear(FOURIER_WIDTH, width))
        self.mlp = _mlp(width)
        self.more_mlps = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), *_mlp(width)) for _ in range(config.mlps - 1))
        self.output_proj = nn.Linear(width, 3)
        if config.query_feature != "none":
            self.feature_proj = nn.Linear(width, width)
        if config.query_feature == "both":
            self.later_feature_proj = nn.Linear(width, width)
        self.apply(xavier)
        nn.init.normal_(self.query_temporal_embed, std=FRAME_CODE[config.predict])
        if config.predict == "displacement":
            nn.init.zeros_(self.output_proj.weight)

    def forward(
        self, latents: Tensor, queries: Tensor, kept: Tensor | None = None, *, points_at_once: int | None = 64
    ) -> tuple[Tensor, Tensor]:
        """Predict position and occlusion. The result of a query does not depend on the others.

        Arguments:
            latents: float [B, n, De], the tokens of a clip.
            queries: float32 [B, N, 3], (t, y, x), as shares of the clip in [0, 1]; t is 0.
            kept: int64 [B, n], the token number of each latent; None: raster order.
            points_at_once: limits memory. It does not change the results, except for rounding. None: as many as fit
                (`vgmae_bench.devices.at_once`).

        Returns:
            positions: float [B, N, T, 2], (x, y) in units of the frame.
            occlusion: float [B, N, T], probability of occlusion.
        """
        features = self.norm(latents)
        places: Tensor = self.enc_temporal_embed
        if kept is not None and self.config.unshuffle:
            places = rows(places, kept)
        keys, values = self.cross_attn.keys_values(features + places)
        codes = self.query_mlp(self.fourier_embedding(fourier_encode(queries, self.config.fourier_features)))
        points = self.config.code_scale * codes[:, :, None]
        points = points + self.config.code_scale * self.query_temporal_embed[:, None]
        if self.config.query_feature != "none":
            ordered = features if kept is None else rows(features, kept.argsort(dim=1))
            points = points + self._features_at(ordered, queries[..., [2, 1]])
        some = torch.split(points, points_at_once or self._at_once(points), dim=1)
        out = torch.cat([self._answer(part, keys, values) for part in some], dim=1)
        if self.config.predict == "displacement":
            return queries[:, :, None, [2, 1]] + out[..., :2].float() / self.grid, out[..., 2].sigmoid()
        out = out.sigmoid()
        return out[..., :2], out[..., 2]

    def _at_once(self, points: Tensor) -> int:
        """Number of the points [B, N, T, De] that fit into memory: with the hidden values of an MLP, and some of their size."""
        B, _, T, width = points.shape
        return at_once(B * T * 12 * width * points.element_size(), points.device)

    def _answer(self, points: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Outputs [B, M, T, 3] (x, y, logit of occlusion) of queries [B, M, T, De], one per point and frame."""
        q = self.norm1(points.flatten(1, 2))
        q = q + self.cross_attn(q, keys, values)
        q = q + self.mlp(q) if self.config.mlp_residual else self.mlp(q)
        for mlp in self.more_mlps:
            q = q + mlp(q)
        out: Tensor = self.output_proj(q)
        shaped: Tensor = out.unflatten(1, points.shape[1:3])
        return shaped

    def _features_at(self, tokens: Tensor, xy: Tensor) -> Tensor:
        """Features [B, N, 1 or T, De] of queries at xy [B, N, 2] (units of the frame), from tokens [B, L, De]."""
        slots = tokens.unflatten(1, (-1, self.grid**2))
        seen: Tensor = self.feature_proj(self._sampled(slots[:, 0], xy))[:, :, None]
        if self.config.query_feature == "both":
            there = self._sampled(slots.flatten(0, 1), xy.repeat_interleave(slots.shape[1], dim=0))
            there = self.later_feature_proj(there).unflatten(0, slots.shape[:2]).transpose(1, 2)
            seen = seen + there[:, :, self._slot_of_frame]
        return seen

    def _sampled(self, tokens: Tensor, xy: Tensor) -> Tensor:
        """Features [B, N, De] of a slot [B, grid², De] at xy [B, N, 2] in units of the frame; see `query_feature`."""
        mode = "nearest" if self.config.query_feature == "both" else "bilinear"
        maps = tokens.mT.unflatten(2, (self.grid, self.grid))
        at = (2 * xy - 1).to(maps.dtype)[:, :, None]
        return F.grid_sample(maps, at, mode, padding_mode="border", align_corners=False)[..., 0].mT


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class ReadoutNetwork(nn.Module, ABC):
    """An encoder with a readout on top, which is the submodule `readout`."""

    readout: CrossAttentionReadout

    @abstractmethod
    def tokens(self, video: Tensor, order: Tensor | None) -> Tensor:
        """The features [B, L, De] of a clip [B, 3, T, S, S], in the order of its tokens [B, L]; None: raster order."""

    def forward(
        self, video: Tensor, queries: Tensor, order: Tensor | None = None, *, points_at_once: int | None = 64
    ) -> tuple[Tensor, Tensor]:
        """Encode a clip, float32 [B, 3, T, S, S], and predict its queries; see `CrossAttentionReadout.forward`.

        Arguments:
            order: int64 [B, L], the order of the tokens in each clip of the encoder; None: raster order.
        """
        B, windows = len(video), self.readout.config.windows
        clips = video.unflatten(2, (windows, -1)).transpose(1, 2).flatten(0, 1)
        kept = None if order is None else order.to(video.device).repeat_interleave(windows, dim=0)
        latents = self.tokens(clips, kept).unflatten(0, (B, windows)).flatten(1, 2)
        if kept is not None:
            first = torch.arange(windows, device=video.device)[:, None] * kept.shape[1]
            kept = (kept.unflatten(0, (B, windows)) + first).flatten(1)
        answers: tuple[Tensor, Tensor] = self.readout(latents, queries, kept, points_at_once=points_at_once)
        return answers


def read_tracks(
    model: ReadoutNetwork, video: Tensor, xy: Tensor, order: Tensor | None = None, *, points_at_once: int | None = None
) -> WindowTracks:
    """Track points from positions xy [M, 2] (pixels) in the first frame of a clip [1, 3, T, S, S].

    Arguments:
        points_at_once: see `CrossAttentionReadout.forward`.
    """
    size = constant((video.shape[4], video.shape[3]), xy)
    queries = torch.cat([torch.zeros_like(xy[:, :1]), (xy / size).flip(1)], dim=1)
    positions, occluded = model(video, queries[None], order, points_at_once=points_at_once)
    return WindowTracks(positions[0].float() * size, occluded[0] < 0.5)
