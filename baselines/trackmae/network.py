"""The TrackMAE network: VideoMAE's encoder of visible tokens, a decoder for pixels (or features), and one for motion.

"TrackMAE" (Vandeghen et al., arXiv 2603.27268). State-dict names and shapes are those of the official checkpoints
(rvandeghen/TrackMAE 3e7db78), pretraining (`TrackMAE`) and fine-tuned (`Classifier`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vgmae_bench.devices import to_device
from vgmae_bench.models.nn import (
    NORM_EPS,
    Block,
    PatchEmbed,
    rows,
    similar_attention,
    sincos_3d,
    whitened_patches,
    xavier,
)

from .sizes import SIZES, EncoderConfig, NetworkConfig

__all__ = ["SIZES", "Classifier", "Encoder", "EncoderConfig", "Heads", "NetworkConfig", "Predictions", "TrackMAE"]


@dataclass(frozen=True)
class Heads:
    """The number of values that each decoder predicts per token; 0 means no such decoder.

    Attributes:
        spatial: values of appearance: 1536 pixel values, or the features of the CLIP tower.
        motion: values of motion.
    """

    spatial: int
    motion: int


class Predictions(NamedTuple):
    """Predictions for the masked tokens, in raster order.

    Attributes:
        spatial: float [B, Nm, Heads.spatial], or None without such a decoder.
        motion: float [B, Nm, Heads.motion], sub-point major (x0, y0, x1, y1, …), or None. If all tokens were requested:
            [B, N, Heads.motion], visible tokens first.
    """

    spatial: Tensor | None
    motion: Tensor | None


class Encoder(nn.Module):
    """Tubelet embedding, fixed position codes, pre-norm ViT blocks, and a last LayerNorm."""

    pos_embed: Tensor
    norm: nn.Module

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("pos_embed", positions(config, config.embed_dim))
        size = (config.tubelet_size, config.patch_size, config.patch_size)
        self.patch_embed = PatchEmbed(nn.Conv3d(3, config.embed_dim, size, size))
        self.blocks = nn.ModuleList(
            Block(config.embed_dim, config.num_heads, config.mlp_ratio) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)
        self.blocks.apply(xavier)
        if config.attention_start == "similar":
            self.blocks.apply(similar_attention)
        if config.patch_start == "whitened":
            whitened_patches(self.patch_embed.proj)

    def forward(self, video: Tensor, shown: Tensor | None = None) -> Tensor:
        """Tokens after the last block and the last norm, float [B, n, embed_dim]; see `layers` for the arguments."""
        *_, last = self.layers(video, shown)
        out: Tensor = self.norm(last)
        return out

    def layers(self, video: Tensor, shown: Tensor | None = None) -> Iterator[Tensor]:
        """Tokens after each block, one after the other, float [B, n, embed_dim], without the last norm.

        Arguments:
            video: float [B, 3, T, H, W], ImageNet-normalised RGB.
            shown: int64 [B, n], the visible tokens, in this order; None: all, in raster order.

        Raises:
            ValueError: the shape of the clip is wrong.
        """
        config = self.config
        if video.shape[1:] != (3, config.num_frames, config.image_size, config.image_size):
            raise ValueError(f"{tuple(video.shape)} is not [B, 3, {config.num_frames}, {config.image_size}, same]")
        cut, places = tubelets(video, config), self.pos_embed
        if shown is not None:
            cut, places = rows(cut, shown), rows(places, shown)
        x = self.patch_embed(cut) + places
        for block in self.blocks:
            x = block(x)
            yield x


class Decoder(nn.Module):
    """ViT blocks, a LayerNorm and a linear head."""

    def __init__(self, config: NetworkConfig, depth: int, outputs: int) -> None:
        super().__init__()
        width = config.decoder_embed_dim
        self.blocks = nn.ModuleList(Block(width, config.decoder_num_heads, config.mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.head = nn.Linear(width, outputs)
        self.apply(xavier)
        if config.attention_start == "similar":
            self.blocks.apply(similar_attention)

    def forward(self, x: Tensor, last: int) -> Tensor:
        """Predictions [B, last, outputs] of the last tokens of x [B, S, decoder_embed_dim]."""
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(self.norm(x[:, -last:]))
        return out


class TrackMAE(nn.Module):
    """The network for pretraining. Without a motion decoder it is VideoMAE's.

    Raises:
        ValueError: both heads are 0.
    """

    decoder_pos_embed: Tensor

    def __init__(self, config: NetworkConfig, heads: Heads) -> None:
        super().__init__()
        if not heads.spatial and not heads.motion:
            raise ValueError("a network without a decoder has nothing to predict")
        self.config, self.heads = config, heads
        width = config.decoder_embed_dim
        self.encoder = Encoder(config)
        self.mask_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, width), std=0.02))
        self.register_buffer("decoder_pos_embed", positions(config, width))
        if heads.spatial:
            self.encoder_to_decoder = nn.Linear(config.embed_dim, width, bias=False)
            self.decoder = Decoder(config, config.decoder_depth, heads.spatial)
        if heads.motion:
            self.encoder_to_tracker = nn.Linear(config.embed_dim, width, bias=False)
            self.tracker_decoder = Decoder(config, config.motion_decoder_depth, heads.motion)

    def forward(
        self, video: Tensor, mask: Tensor, *, motion_of_all: bool = False, allow_untrained: bool = False
    ) -> Predictions:
        """Predict the masked tokens of a clip from the others.

        Arguments:
            video: float [B, 3, T, H, W], ImageNet-normalised RGB.
            mask: bool [B, N], True where a token is masked. Every clip has the same number of masked tokens. If it is on the
                CPU, the host does not wait for the device.
            motion_of_all: also predict the motion of visible tokens.
            allow_untrained: if no token is masked, predict all tokens. The official code does this silently, although
                training never predicts visible tokens.

        Raises:
            ValueError: shapes are wrong, all tokens are masked, or none is.
        """
        latent, order = self._encode(video, mask, allow_untrained)
        spatial = self._decode(self.decoder, self.encoder_to_decoder(latent), order) if self.heads.spatial else None
        return Predictions(spatial, self._motion(latent, order, motion_of_all) if self.heads.motion else None)

    def predict_motion(self, video: Tensor, mask: Tensor) -> Tensor:
        """Like `forward(video, mask).motion`, without computing the rest."""
        return self._motion(*self._encode(video, mask, allow_untrained=False))

    def _encode(self, video: Tensor, mask: Tensor, allow_untrained: bool) -> tuple[Tensor, Tensor]:
        """Encode the visible tokens, [B, Nv, embed_dim]. Also returns all ids [B, N], visible ones first."""
        shown, hidden = split(mask, self.config.num_tokens)
        if not hidden.shape[1] and not allow_untrained:
            raise ValueError("no token is masked, and the network was not trained to predict visible tokens")
        order = to_device(torch.cat([shown, hidden], dim=1), video.device)
        return self.encoder(video, order[:, : shown.shape[1]]), order

    def _motion(self, latent: Tensor, order: Tensor, every: bool = False) -> Tensor:
        return self._decode(self.tracker_decoder, self.encoder_to_tracker(latent), order, every)

    def _decode(self, decoder: nn.Module, shown: Tensor, order: Tensor, every: bool = False) -> Tensor:
        """Predictions for the masked tokens (or for all), from visible tokens [B, Nv, width] and mask tokens with positions."""
        B, n, _ = shown.shape
        N = order.shape[1]
        masked = self.mask_token.to(shown.dtype).expand(B, N - n, -1)
        out: Tensor = decoder(
            torch.cat([shown, masked], dim=1) + rows(self.decoder_pos_embed, order), N if every or n == N else N - n
        )
        return out


class Classifier(Encoder):
    """The fine-tuned network: mean over all tokens (without a norm before it), LayerNorm, linear layer."""

    def __init__(self, config: EncoderConfig, classes: int) -> None:
        super().__init__(config)
        self.classes = classes
        self.norm = nn.Identity()
        self.fc_norm = nn.LayerNorm(config.embed_dim, eps=NORM_EPS)
        self.head = nn.Linear(config.embed_dim, classes)

    def pooled(self, video: Tensor) -> Tensor:
        """The input of the linear layer, float [B, embed_dim]; `video` as in `Encoder.layers`."""
        out: Tensor = self.fc_norm(self(video).mean(dim=1))
        return out

    def logits(self, video: Tensor) -> Tensor:
        """Class logits, float [B, classes]."""
        out: Tensor = self.head(self.pooled(video))
        return out


def tubelets(video: Tensor, config: EncoderConfig) -> Tensor:
    """Tubelets [B, N, C * t * p * p] (channel, frame, row, column) of a video [B, C, T, H, W]."""
    B, C = video.shape[:2]
    s, t, g, p = config.slots, config.tubelet_size, config.grid, config.patch_size
    cut = video.reshape(B, C, s, t, g, p, g, p)
    return cut.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(B, s * g * g, C * t * p * p)


def positions(config: EncoderConfig, width: int) -> Tensor:
    """Position codes, float32 [1, N, width]; see `EncoderConfig.position`."""
    if config.position == "flattened":
        return sinusoids(config.num_tokens, width)
    return torch.from_numpy(sincos_3d(config.slots, config.grid, width)).float()[None]


def sinusoids(count: int, width: int) -> Tensor:
    """Float32 [1, count, width]: sin on even and cos on odd channels j of n / 10000^(2 floor(j / 2) / width)."""
    channels = torch.arange(width)
    frequencies = 10000.0 ** (-2.0 * (channels // 2).double() / width)
    angles = torch.arange(count, dtype=torch.float64)[:, None] * frequencies
    return torch.where(channels % 2 == 0, angles.sin(), angles.cos()).float()[None]


def split(mask: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """Ids of the visible tokens, int64 [B, Nv], and of the masked tokens, int64 [B, Nm], ascending.

    Raises:
        ValueError: the mask is not bool [B, tokens], clips differ in the number of masked tokens, or no token is visible.
    """
    if mask.dtype != torch.bool or mask.ndim != 2 or mask.shape[1] != tokens:
        raise ValueError(f"the mask must be bool [B, {tokens}], it is {mask.dtype} {tuple(mask.shape)}")
    counts = mask.sum(dim=1)
    masked = int(counts[0])
    if masked == tokens or not (counts == masked).all():
        raise ValueError(f"every clip must have the same number of masked tokens and one shown, not {counts.tolist()}")
    order = mask.byte().argsort(dim=1, stable=True)
    return order[:, : tokens - masked], order[:, tokens - masked :]
