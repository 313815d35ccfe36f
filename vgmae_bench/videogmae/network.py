"""The Video-GMAE network: a masked video encoder and a decoder of Gaussian queries.

"Tracking by Predicting 3-D Gaussians Over Time" (Baranwal et al., arXiv 2512.22489). State-dict names and shapes are
those of the official checkpoints without their `encoder.` prefix, so that released weights load as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgmae_bench.errors import UsageError
from vgmae_bench.nn import NORM_EPS, Block, sincos_1d, sincos_2d, sincos_3d, xavier

GAUSSIAN_PARAMETERS = 14
"""Outputs per Gaussian: mean 3, scale 3, rotation 4, colour 3, opacity 1."""


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a Video-GMAE network.

    Attributes:
        image_size, patch_size: of the square frames and their square patches, pixels.
        num_frames: frames in a clip, T.
        num_gaussians: Gaussians of a frame, G.
        embed_dim, depth, num_heads: of the encoder.
        decoder_embed_dim, decoder_depth, decoder_num_heads: of the decoder.
        mlp_ratio: hidden width of the MLPs over their width.
        position: "interpolate" adds a 2-D and a temporal table and a class token (both released scripts); "pos3d" adds
            one 3-D table to encoder and decoder.
        decoder_attention: "causal" over the whole sequence (official); "frame_causal": latents see one another, queries
            see latents and the queries of their own and earlier frames; "bidirectional": everything sees everything.

    Raises:
        UsageError: numbers that do not divide each other, or are not positive.
    """

    image_size: int = 224
    patch_size: int = 16
    num_frames: int = 16
    num_gaussians: int = 256
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    decoder_embed_dim: int = 512
    decoder_depth: int = 8
    decoder_num_heads: int = 16
    mlp_ratio: float = 4.0
    position: Literal["interpolate", "pos3d"] = "interpolate"
    decoder_attention: Literal["causal", "frame_causal", "bidirectional"] = "causal"

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, str) and value <= 0:
                raise UsageError(f"The network's {name} must be positive", f"it is {value}")
        # Sines and cosines of two axes need multiples of 4; the 3-D table's spatial part, 3/4 of the width, of 16.
        divisor = 4 if self.position == "interpolate" else 16
        for name, divisors in (
            ("image_size", (self.patch_size,)),
            ("embed_dim", (self.num_heads, divisor)),
            ("decoder_embed_dim", (self.decoder_num_heads, divisor)),
        ):
            for number in divisors:
                if getattr(self, name) % number:
                    raise UsageError(
                        f"The network's {name} must be a multiple of {number}", f"it is {getattr(self, name)}"
                    )

    @property
    def grid(self) -> int:
        """Patches along one side of a frame."""
        return self.image_size // self.patch_size

    @property
    def num_tokens(self) -> int:
        """Patches of a clip, L; token t * grid² + row * grid + column."""
        return self.num_frames * self.grid**2


_BASE = NetworkConfig()
SIZES: dict[str, NetworkConfig] = {
    "tiny": NetworkConfig(
        image_size=64,
        patch_size=8,
        num_frames=8,
        num_gaussians=144,
        embed_dim=192,
        depth=4,
        num_heads=3,
        decoder_embed_dim=128,
        decoder_depth=4,
        decoder_num_heads=4,
    ),
    "base": _BASE,
    "large": replace(_BASE, embed_dim=1024, depth=24, num_heads=16),
}
"""Named sizes: "base" and "large" are the paper's ViT-B and ViT-L, "tiny" trains on a CPU."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """What the encoder makes of a clip.

    Attributes:
        latent: float [B, n, embed_dim], after the last norm, without the class token, in the order of `kept`.
        kept: int64 [B, n], the tokens the encoder saw, in the order it saw them.
        mask: bool [B, L], True where a token was removed, raster order.
    """

    latent: Tensor
    kept: Tensor
    mask: Tensor


class PatchEmbed(nn.Module):
    """One linear map from patch to token; a convolution in the checkpoints, a matrix product of picked patches here."""

    def __init__(self, patch_size: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch_size, patch_size)

    def forward(self, patches: Tensor) -> Tensor:
        """[..., 3 * p * p] (channel, row, column) to [..., width]."""
        return F.linear(patches, self.proj.weight.flatten(1), self.proj.bias)


class Encoder(nn.Module):
    """The masked video encoder: per-frame patches, fixed sin-cos positions, pre-norm ViT blocks, a last LayerNorm."""

    pos_embed: Tensor
    pos_embed_t: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.embed_dim))
        self.register_buffer("pos_embed", space_table(config, config.embed_dim))
        if config.position == "interpolate":
            time = sincos_1d(np.arange(config.num_frames), config.embed_dim)
            time[0] = 0  # as in the official table: frame 0 carries no temporal code
            self.register_buffer("pos_embed_t", _table(time))
        self.patch_embed = PatchEmbed(config.patch_size, config.embed_dim)
        self.blocks = nn.ModuleList(
            Block(config.embed_dim, config.num_heads, config.mlp_ratio) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)
        self.apply(xavier)
        nn.init.normal_(self.cls_token, std=0.02)

    def encode(
        self,
        video: Tensor,
        mask_ratio: float = 0.0,
        order: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Encoded:
        """Encode the part of a clip that masking leaves.

        Without `order` the tokens stay in raster order, so nothing is random at mask ratio 0 and runs repeat exactly.

        Arguments:
            video: float [B, 3, T, H, W], ImageNet-normalised RGB.
            mask_ratio: share of the tokens to remove; int(L * (1 - mask_ratio)) of them are kept, drawn uniformly over
                space and time.
            order: int64 [B, L], a permutation of the tokens whose first ones are kept, in that order: argsort(noise)
                reproduces the official code, which shuffles even at mask ratio 0.
            generator: source of the random subset where `order` is not given.

        Raises:
            ValueError: the clip or the order has another shape than the network takes, or nothing would be kept.
        """
        config, B = self.config, len(video)
        if video.shape[1:] != (3, config.num_frames, config.image_size, config.image_size):
            raise ValueError(f"{tuple(video.shape)} is not [B, 3, {config.num_frames}, {config.image_size}, same]")
        if order is not None and order.shape != (B, config.num_tokens):
            raise ValueError(f"order must be [{B}, {config.num_tokens}], it is {tuple(order.shape)}")
        n = int(config.num_tokens * (1 - mask_ratio))
        if not 1 <= n <= config.num_tokens:
            raise ValueError(f"mask ratio {mask_ratio} keeps {n} of {config.num_tokens} tokens")
        kept = order[:, :n] if order is not None else _raster_subset(B, n, config.num_tokens, generator)
        kept = kept.to(video.device)

        x = self.patch_embed(rows(self._patches(video), kept)) + rows(self._positions(), kept)
        if config.position == "interpolate":
            cls = self.cls_token + self.pos_embed[:, :1]
            x = torch.cat([cls.expand(B, -1, -1).to(x.dtype), x], dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        mask = torch.ones(B, config.num_tokens, dtype=torch.bool, device=video.device).scatter_(1, kept, False)
        return Encoded(x[:, -n:], kept, mask)

    def _patches(self, video: Tensor) -> Tensor:
        """[B, 3, T, H, W] to [B, L, 3 * p * p]."""
        B, g, p = len(video), self.config.grid, self.config.patch_size
        cut = video.reshape(B, 3, self.config.num_frames, g, p, g, p)
        return cut.permute(0, 2, 3, 5, 1, 4, 6).reshape(B, self.config.num_tokens, 3 * p * p)

    def _positions(self) -> Tensor:
        """[1, L, embed_dim]."""
        if self.config.position == "pos3d":
            return self.pos_embed
        return (self.pos_embed_t[:, :, None] + self.pos_embed[:, None, 1:]).flatten(1, 2)


class VideoGMAE(Encoder):
    """Encoder plus the decoder that turns T * G learned queries into Gaussians."""

    decoder_pos_embed: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        width = config.decoder_embed_dim
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_pos_embed_gaussian = nn.Parameter(torch.rand(1, config.num_frames * config.num_gaussians, width))
        # Kept, though unread in "interpolate" mode, because the official checkpoints hold it.
        self.register_buffer("decoder_pos_embed", space_table(config, width))
        self.decoder_embed = nn.Linear(config.embed_dim, width)
        self.decoder_blocks = nn.ModuleList(
            Block(width, config.decoder_num_heads, config.mlp_ratio) for _ in range(config.decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.linear_gaussian = nn.Linear(width, GAUSSIAN_PARAMETERS, bias=False)
        for module in (self.decoder_embed, self.decoder_blocks, self.linear_gaussian):
            module.apply(xavier)
        nn.init.normal_(self.mask_token, std=0.02)

    def decode(self, encoded: Encoded) -> Tensor:
        """Gaussian parameters before their activations, [B, T, G, 14]; rows of frame t > 0 are residuals."""
        config, B = self.config, len(encoded.latent)
        x = self.decoder_embed(encoded.latent)
        if config.position == "pos3d":
            x = x + rows(self.decoder_pos_embed, encoded.kept)
        queries = (self.mask_token + self.decoder_pos_embed_gaussian).expand(B, -1, -1)
        x = torch.cat([x, queries.to(x.dtype)], dim=1)
        mask = self._frame_mask(encoded.kept.shape[1], x.device) if config.decoder_attention == "frame_causal" else None
        for block in self.decoder_blocks:
            x = block(x, causal=config.decoder_attention == "causal", mask=mask)
        gaussians: Tensor = self.linear_gaussian(self.decoder_norm(x[:, -queries.shape[1] :]))
        return gaussians.view(B, config.num_frames, config.num_gaussians, GAUSSIAN_PARAMETERS)

    def forward(self, video: Tensor, mask_ratio: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """`encode`, then `decode`."""
        return self.decode(self.encode(video, mask_ratio, generator=generator))

    def _frame_mask(self, latents: int, device: torch.device) -> Tensor:
        """bool [S, S], True where row may look at column, latents being of a time before all frames."""
        frames = torch.arange(self.config.num_frames, device=device).repeat_interleave(self.config.num_gaussians)
        time = torch.cat([frames.new_full((latents,), -1), frames])
        return time[:, None] >= time[None, :]


def rows(table: Tensor, ids: Tensor) -> Tensor:
    """Rows `ids` [B, n] of a table [1 or B, L, D], as [B, n, D]."""
    return table.expand(len(ids), -1, -1).gather(1, ids[..., None].expand(-1, -1, table.shape[-1]))


def _raster_subset(B: int, n: int, L: int, generator: torch.Generator | None) -> Tensor:
    """int64 [B, n], increasing: all tokens, or n of L at random."""
    if n == L:
        return torch.arange(L).expand(B, L)
    device = generator.device if generator is not None else None
    noise = torch.rand(B, L, generator=generator, device=device)
    return noise.argsort(dim=1)[:, :n].sort(dim=1).values


def space_table(config: NetworkConfig, width: int) -> Tensor:
    """[1, 1 + grid², width] with a zero row for the class token, or [1, L, width] in "pos3d" mode."""
    if config.position == "pos3d":
        return _table(sincos_3d(config.num_frames, config.grid, width))
    return _table(np.concatenate([np.zeros((1, width)), sincos_2d(config.grid, width)]))


def _table(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))[None]
