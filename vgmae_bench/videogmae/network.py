"""The Video-GMAE network: a masked video encoder and a decoder of Gaussian queries.

"Tracking by Predicting 3-D Gaussians Over Time" (Baranwal et al., arXiv 2512.22489). Names and shapes of the state dict are
those of the official checkpoints without their `encoder.` prefix, so that released weights load without conversion.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgmae_bench.devices import placed, to_device
from vgmae_bench.models.nn import (
    NORM_EPS,
    Block,
    PatchEmbed,
    imagenet_statistics,
    rows,
    similar_attention,
    whitened_patches,
    xavier,
)
from vgmae_bench.videogmae.gaussians.queries import AnchorTokens, anchor_colours
from vgmae_bench.videogmae.positions import anchor_cells, anchor_table, places, space_table, start_on_grid, time_table
from vgmae_bench.videogmae.sizes import SIZES, NetworkConfig

__all__ = ["GAUSSIAN_PARAMETERS", "SIZES", "Encoded", "Encoder", "NetworkConfig", "VideoGMAE", "rows"]

GAUSSIAN_PARAMETERS = 14
"""Number of outputs per Gaussian: mean 3, scale 3, rotation 4, colour 3, opacity 1."""

MOVING = (0, 1, 2, 10, 11, 12)
"""Indices of the outputs used in later frames: mean and colour."""

COLOUR_START = (0.02, 0.98)
"""Initial colours are clamped to this range. Its logits are small enough to change quickly."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """The encoder's output for a batch of clips.

    Attributes:
        latent: float [B, n, embed_dim], after the last norm, without the class token, in the order of `kept`.
        kept: int64 [B, n], the token numbers that the encoder saw, in its order.
        mask: bool [B, L], True where a token was removed, in raster order.
        cls: float [B, 1, embed_dim], the class token after the last norm; None in "pos3d" mode, which has no class token.
        colours: float [B, G, 3] in [0, 1], colours around the anchors in frame 0; None unless `colour_start` is "frame".
    """

    latent: Tensor
    kept: Tensor
    mask: Tensor
    cls: Tensor | None = None
    colours: Tensor | None = None


class Encoder(nn.Module):
    """The masked video encoder: patches of each frame, fixed sin-cos positions, pre-norm ViT blocks, final LayerNorm."""

    pos_embed: Tensor
    pos_embed_t: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.embed_dim))
        self.register_buffer("pos_embed", space_table(config, config.embed_dim))
        if config.position == "interpolate":
            self.register_buffer("pos_embed_t", time_table(config, config.embed_dim))
        self.patch_embed = PatchEmbed(nn.Conv2d(3, config.embed_dim, config.patch_size, config.patch_size))
        self.blocks = nn.ModuleList(
            Block(config.embed_dim, config.num_heads, config.mlp_ratio) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)
        self.apply(xavier)
        nn.init.normal_(self.cls_token, std=0.02)
        if config.attention_start == "similar":
            self.blocks.apply(similar_attention)
        if config.patch_start == "whitened":
            whitened_patches(self.patch_embed.proj)

    def encode(self, video: Tensor, mask_ratio: float = 0.0, order: Tensor | None = None) -> Encoded:
        """Encode the visible part of a clip.

        Arguments:
            video: float [B, 3, T, H, W], ImageNet-normalised RGB.
            mask_ratio: share of the tokens to remove. The first int(L * (1 - mask_ratio)) tokens of `order` are kept.
            order: int64 [B, L], a permutation of the tokens; None: raster order. argsort(noise) reproduces the official code,
                which shuffles even at mask ratio 0.

        Raises:
            ValueError: the shape of the clip or of the order is wrong, no token would be kept, or a mask ratio has no order.
        """
        config, B = self.config, len(video)
        if video.shape[1:] != (3, config.num_frames, config.image_size, config.image_size):
            raise ValueError(f"{tuple(video.shape)} is not [B, 3, {config.num_frames}, {config.image_size}, same]")
        if order is not None and order.shape != (B, config.num_tokens):
            raise ValueError(f"order must be [{B}, {config.num_tokens}], it is {tuple(order.shape)}")
        n = int(config.num_tokens * (1 - mask_ratio))
        if not 1 <= n <= config.num_tokens:
            raise ValueError(f"mask ratio {mask_ratio} keeps {n} of {config.num_tokens} tokens")
        if order is None and n < config.num_tokens:
            raise ValueError("a mask ratio needs an order, which determines the tokens to keep")
        kept = (torch.arange(config.num_tokens).expand(B, -1) if order is None else order)[:, :n]
        kept = to_device(kept, video.device)

        x = self.patch_embed(rows(self._patches(video), kept)) + rows(self._positions(), kept)
        if config.position == "interpolate":
            cls = self.cls_token + self.pos_embed[:, :1]
            x = torch.cat([cls.expand(B, -1, -1).to(x.dtype), x], dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        mask = torch.ones(B, config.num_tokens, dtype=torch.bool, device=video.device).scatter_(1, kept, False)
        class_token = x[:, :1] if config.position == "interpolate" else None
        return Encoded(x[:, -n:], kept, mask, class_token, self._colours(video, mask))

    def _colours(self, video: Tensor, mask: Tensor) -> Tensor | None:
        """`Encoded.colours`; an encoder alone needs none."""

    def _patches(self, video: Tensor) -> Tensor:
        """Patches [B, L, 3 * p * p] of a video [B, 3, T, H, W]."""
        B, g, p = len(video), self.config.grid, self.config.patch_size
        cut = video.reshape(B, 3, self.config.num_frames, g, p, g, p)
        return cut.permute(0, 2, 3, 5, 1, 4, 6).reshape(B, self.config.num_tokens, 3 * p * p)

    def _positions(self) -> Tensor:
        """Position embeddings of all tokens: [1, L, embed_dim]."""
        if self.config.position == "pos3d":
            return self.pos_embed
        return places(self.pos_embed_t, self.pos_embed[:, 1:])


class VideoGMAE(Encoder):
    """The encoder, and the decoder that turns learned queries into Gaussians."""

    decoder_pos_embed: Tensor
    decoder_pos_embed_t: Tensor
    decoder_pos_embed_anchor: Tensor
    gaussian_start: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        width = config.decoder_embed_dim
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_pos_embed_gaussian = nn.Parameter(torch.rand(1, config.query_frames * config.num_gaussians, width))
        # Learned queries in "interpolate" mode do not use it, but official checkpoints contain it.
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
        if config.decoder == "per_identity":
            self.linear_motion = nn.Linear(width, (config.num_frames - 1) * len(MOVING), bias=False)
            self.linear_motion.apply(xavier)
        if config.query_content != "learned":
            self.anchor_tokens = AnchorTokens(
                config.query_content, config.embed_dim, width, config.num_frames, anchor_cells(config), config.grid**2
            )
        if config.query_position == "anchored":
            self.register_buffer("decoder_pos_embed_t", time_table(config, width))
            self.register_buffer("decoder_pos_embed_anchor", anchor_table(config, width))
            nn.init.normal_(self.decoder_pos_embed_gaussian, std=0.02)
        if config.attention_start == "similar":
            self.decoder_blocks.apply(similar_attention)
        if config.gaussian_start == "grid":
            self.register_buffer("gaussian_start", start_on_grid(config.num_gaussians)[None])
            nn.init.zeros_(self.linear_gaussian.weight)
            if config.decoder == "per_identity":
                nn.init.zeros_(self.linear_motion.weight)

    def _colours(self, video: Tensor, mask: Tensor) -> Tensor | None:
        """`Encoded.colours`."""
        if self.config.colour_start == "learned":
            return None
        mean, std = imagenet_statistics(video)
        seen = ~mask[:, : self.config.grid**2].unflatten(1, (self.config.grid, -1))
        return anchor_colours(video[:, :, 0] * std + mean, seen, self.config.num_gaussians)

    def decode(self, encoded: Encoded) -> Tensor:
        """Gaussian parameters before activation, [B, T, G, 14]. Rows of frames t > 0 are residuals."""
        config = self.config
        x = self._context(encoded)
        queries = self.mask_token + self.decoder_pos_embed_gaussian
        if config.query_position == "anchored":
            time = self.decoder_pos_embed_t[:, : config.query_frames]
            queries = queries + places(time, self.decoder_pos_embed_anchor)
        if self.config.query_content != "learned":
            queries = queries + self.anchor_tokens(encoded.latent, encoded.kept.to(x.device))
        mask = self._frame_mask(x.shape[1], x.device) if config.decoder_attention == "frame_causal" else None
        x = torch.cat([x, queries.expand(len(x), -1, -1).to(x.dtype)], dim=1)
        causal = config.decoder_attention == "causal"
        *first, last = self.decoder_blocks
        for block in first:
            x = block(x, causal=causal, mask=mask)
        x = last(x, causal=causal, mask=mask, last=None if causal else queries.shape[1])  # the queries' outputs alone
        raw = self._gaussians(self.decoder_norm(x[:, -queries.shape[1] :]))
        if encoded.colours is None:
            return raw
        start = F.pad(encoded.colours.clamp(*COLOUR_START).logit(), (10, 1))  # colours are outputs 10 to 12 of 14
        return torch.cat([raw[:, :1] + start[:, None].to(raw.dtype), raw[:, 1:]], dim=1)

    def _context(self, encoded: Encoded) -> Tensor:
        """The context of the queries, [B, n, decoder_embed_dim]: the latents, plus positions if queries have them."""
        x: Tensor = self.decoder_embed(encoded.latent)
        if self.config.position == "pos3d":
            return x + rows(self.decoder_pos_embed, encoded.kept)
        if self.config.query_position == "anchored":
            return x + rows(places(self.decoder_pos_embed_t, self.decoder_pos_embed[:, 1:]), encoded.kept)
        return x

    def _gaussians(self, answers: Tensor) -> Tensor:
        """Gaussian parameters [B, T, G, 14] from the decoder's outputs [B, Q, decoder_embed_dim]."""
        config, B = self.config, len(answers)
        x: Tensor = self.linear_gaussian(answers).view(B, config.query_frames, config.num_gaussians, -1)
        if config.decoder == "per_identity":
            later = x.new_zeros(B, config.num_frames - 1, config.num_gaussians, GAUSSIAN_PARAMETERS)
            motion = self.linear_motion(answers).view(B, config.num_gaussians, config.num_frames - 1, len(MOVING))
            later[..., placed(torch.tensor, MOVING, device=x.device)] = motion.transpose(1, 2)
            x = torch.cat([x, later], dim=1)
        if config.gaussian_start == "grid":
            x = torch.cat([x[:, :1] + self.gaussian_start, x[:, 1:]], dim=1)
        return x

    def forward(self, video: Tensor) -> Tensor:
        """Encode and decode a clip without masking."""
        return self.decode(self.encode(video))

    @torch.no_grad()
    def lengthen(self, known: int, frames: int) -> None:
        """Initialise the motion of untrained frames: copy the motion head's rows of the last trained frame.

        Repeated calls have no further effect. A decoder with separate queries per frame has no such rows and is unchanged.

        Arguments:
            known: number of frames trained so far.
            frames: number of frames of the coming clips.
        """
        if self.config.decoder == "per_identity":
            steps = self.linear_motion.weight.view(self.config.num_frames - 1, len(MOVING), -1)
            steps[known - 1 : frames - 1] = steps[known - 2]

    def _frame_mask(self, latents: int, device: torch.device) -> Tensor:
        """bool [S, S], True where the row may attend to the column. Latents count as earlier than all frames."""
        frames = torch.arange(self.config.query_frames, device=device).repeat_interleave(self.config.num_gaussians)
        time = torch.cat([frames.new_full((latents,), -1), frames])
        return time[:, None] >= time[None, :]


def pixel_mask(mask: Tensor, config: NetworkConfig) -> Tensor:
    """The pixels of masked tokens: bool [B, T, H, W] from bool [B, L] in raster order (`Encoded.mask`)."""
    patches = mask.view(len(mask), config.num_frames, config.grid, config.grid)
    return patches.repeat_interleave(config.patch_size, dim=2).repeat_interleave(config.patch_size, dim=3)
