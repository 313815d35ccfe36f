"""What is put on an encoder to name actions: pooling of its tokens, a norm, a linear layer."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from vgmae_bench.models.encoder import VideoEncoder
from vgmae_bench.models.frames import prepare
from vgmae_bench.models.nn import NORM_EPS

HeadNorm = Literal["layer", "batch", "none"]
Pooling = Literal["mean", "attentive"]


class LabelledBatch(NamedTuple):
    """Clips, or what an encoder makes of them, with their labels.

    Attributes:
        inputs: uint8 [B, T, S, S, 3] RGB, or pooled features float32 [B, C].
        labels: int64 [B].
        seeds: see `vgmae_bench.training.recipe.Batch`.
    """

    inputs: Tensor
    labels: Tensor
    seeds: tuple[int, ...]


class Head(nn.Module):
    """Pooled features, float [B, width], to logits [B, classes].

    Arguments:
        norm: "layer" is learned (VideoMAE's `fc_norm`); "batch" has no weights to learn, so that what follows is still linear
            in the features (MAE, He et al. 2022, appendix A.1).
    """

    def __init__(self, width: int, classes: int, norm: HeadNorm) -> None:
        super().__init__()
        norms: dict[HeadNorm, nn.Module] = {
            "layer": nn.LayerNorm(width, eps=NORM_EPS),
            "batch": nn.BatchNorm1d(width, affine=False, eps=NORM_EPS),
            "none": nn.Identity(),
        }
        self.norm = norms[norm]
        self.linear = nn.Linear(width, classes)
        nn.init.trunc_normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.norm(pooled))
        return logits


class AttentivePool(nn.Module):
    """Tokens [B, N, width] to [B, width]: one learned query attends to them (V-JEPA, Bardes et al. 2024, without its MLP)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, width))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        nn.init.trunc_normal_(self.query, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.norm(tokens)
        pooled: Tensor = self.attention(self.query.expand(len(tokens), -1, -1), tokens, tokens, need_weights=False)[0]
        return pooled[:, 0]


class Classifier(nn.Module):
    """An encoder and a head.

    Arguments:
        frozen: the encoder does not learn.
        final_norm: the encoder's last norm is kept; VideoMAE's fine-tuning drops it.
    """

    def __init__(
        self,
        encoder: VideoEncoder,
        classes: int,
        *,
        frozen: bool,
        final_norm: bool,
        pooling: Pooling,
        head_norm: HeadNorm,
    ) -> None:
        super().__init__()
        self.encoder, self._frozen, self._final_norm = encoder, frozen, final_norm
        self.pool = AttentivePool(encoder.width, max(1, encoder.width // 64)) if pooling == "attentive" else None
        self.head = Head(encoder.width, classes, head_norm)
        unused = () if final_norm else encoder.norm.parameters()
        for parameter in encoder.parameters() if frozen else unused:
            parameter.requires_grad_(False)

    def forward(self, video: Tensor) -> Tensor:
        """uint8 [B, T, S, S, 3] RGB, or float as `network_input` makes it, to logits [B, classes]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen):
            tokens = encode(self.encoder, video, final_norm=self._final_norm)
        logits: Tensor = self.head(tokens.mean(dim=1) if self.pool is None else self.pool(tokens))
        return logits


def encode(encoder: VideoEncoder, video: Tensor, *, final_norm: bool) -> Tensor:
    """Tokens [B, N, C] of clips, uint8 [B, T, S, S, 3] RGB, or float as `network_input` makes them."""
    tokens = encoder(video if video.is_floating_point() else network_input(video))
    normed: Tensor = encoder.norm(tokens) if final_norm else tokens
    return normed


def network_input(video: Tensor) -> Tensor:
    """uint8 [B, T, S, S, 3] RGB to float32 [B, 3, T, S, S], ImageNet-normalised."""
    B, T, H, W, _ = video.shape
    return prepare(video.flatten(0, 1), (H, W)).view(B, T, 3, H, W).transpose(1, 2)
