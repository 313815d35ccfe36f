"""The classifiers of a probe: an opened encoder, pooling of its tokens, a norm, and a linear layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vgmae_bench.config import Json
from vgmae_bench.downstream.actions.settings import FinetuneConfig, HeadNorm
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.method import open_part
from vgmae_bench.evaluation.records.results import MethodUsed
from vgmae_bench.models.encoder import VideoEncoder
from vgmae_bench.models.frames import prepare_clips
from vgmae_bench.models.nn import NORM_EPS

_BLOCK = re.compile(r"(?:^|\.)blocks\.(\d+)\.")


@dataclass(frozen=True)
class Probed:
    """An opened encoder, and everything that its features depend on.

    Attributes:
        encoder: in evaluation mode on the CPU.
        used: for records. Without weights, it holds the seed of the random ones.
    """

    encoder: VideoEncoder
    used: MethodUsed

    def describe(self) -> dict[str, Json]:
        """Everything that the features depend on, as plain JSON."""
        used = self.used
        known: dict[str, Json] = {"method": used.name, "settings": used.settings}
        if used.source is not None:
            known["source"] = used.source
        return known | ({"weights": used.weights.sha256} if used.weights else {"random": used.seed})

    @property
    def label(self) -> str:
        """The method and the name of its weights, for tables."""
        return f"{self.used.name} ({self.used.weights.name if self.used.weights else 'random weights'})"


def open_encoder(name: str, weights: str | None, settings: Mapping[str, Any], seed: int) -> Probed:
    """Find, load and build the encoder of a method.

    Arguments:
        name: a plugin's name, or `path.py:Attribute` where the attribute makes the encoder.
        weights: a name the method declares, a file, or "random"; None: its default ones, if any.
        settings: of the encoder, which its factory declares like a tracker's.
        seed: of random weights.

    Raises:
        UserError: the method, the weights or the settings cannot be used.
    """
    made, used = open_part(name, "encoder", weights=weights, settings=settings, device="cpu", seed=seed)
    if not isinstance(made, nn.Module):
        raise UsageError(f"The encoder of {used.name} cannot be probed", f"{type(made).__name__} is not an nn.Module")
    encoder: Any = made.eval()
    return Probed(encoder, used)


def layer_of(name: str, depth: int) -> int:
    """The layer that a parameter belongs to: 0 before the blocks, 1 in the first block, depth + 1 after the blocks.

    >>> layer_of("encoder.network.blocks.3.attn.qkv.weight", 12), layer_of("head.linear.weight", 12)
    (4, 13)
    """
    if found := _BLOCK.search(name):
        return int(found[1]) + 1
    return 0 if name.startswith("encoder.") and not name.startswith("encoder.norm.") else depth + 1


def set_layer_rates(model: nn.Module, decay: float) -> None:
    """Set `lr_scale` of every parameter: `decay` to the power of the number of layers above its own (BEiT).

    Arguments:
        model: has a `VideoEncoder` as `encoder`. An encoder without `blocks` learns at a single rate.
        decay: factor from each layer to the one below it.
    """
    names = [name for name, _ in model.named_parameters()]
    depth = max((int(found[1]) + 1 for found in map(_BLOCK.search, names) if found), default=0)
    if depth:
        for name, parameter in model.named_parameters():
            parameter.lr_scale = decay ** (depth + 1 - layer_of(name, depth))  # type: ignore[attr-defined]


class LabelledBatch(NamedTuple):
    """Clips or their features, with labels.

    Attributes:
        inputs: uint8 [B, T, S, S, 3] RGB, or pooled features float32 [B, C].
        labels: int64 [B].
        seeds: see `vgmae_bench.training.recipe.Batch`.
    """

    inputs: Tensor
    labels: Tensor
    seeds: tuple[int, ...]


class Head(nn.Module):
    """A norm and a linear layer.

    Arguments:
        width: C, numbers in a pooled feature.
        classes: number of classes.
        norm: "layer" is a LayerNorm with weights (VideoMAE's `fc_norm`). "batch" is a BatchNorm without weights, so that the
            head stays linear in the features (MAE, He et al. 2022, appendix A.1).
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
        """Float [B, width] to logits [B, classes]."""
        logits: Tensor = self.linear(self.norm(pooled))
        return logits


class AttentivePool(nn.Module):
    """Pool tokens by attention from one learned query (V-JEPA, Bardes et al. 2024, without its MLP)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, width))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        nn.init.trunc_normal_(self.query, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Float [B, N, width] to [B, width]."""
        tokens = self.norm(tokens)
        pooled: Tensor = self.attention(self.query.expand(len(tokens), -1, -1), tokens, tokens, need_weights=False)[0]
        return pooled[:, 0]


class Classifier(nn.Module):
    """An encoder with a head.

    Arguments:
        encoder: the encoder.
        classes: number of classes.
        config: `freeze`, `final_norm`, `pooling` and `head_norm` are used. `head_norm` is not None.
    """

    def __init__(self, encoder: VideoEncoder, classes: int, config: FinetuneConfig) -> None:
        super().__init__()
        assert config.head_norm is not None
        self.encoder, self._frozen, self._final_norm = encoder, config.freeze, config.final_norm
        attentive = config.pooling == "attentive"
        self.pool = AttentivePool(encoder.width, max(1, encoder.width // 64)) if attentive else None
        self.head = Head(encoder.width, classes, config.head_norm)
        unused = () if config.final_norm else encoder.norm.parameters()
        for parameter in encoder.parameters() if config.freeze else unused:
            parameter.requires_grad_(False)

    def forward(self, video: Tensor) -> Tensor:
        """Clips to logits [B, classes]. Clips are uint8 [B, T, S, S, 3] RGB, or float as from `prepare_clips`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen):
            tokens = encode(self.encoder, video, final_norm=self._final_norm)
        logits: Tensor = self.head(tokens.mean(dim=1) if self.pool is None else self.pool(tokens))
        return logits


def encode(encoder: VideoEncoder, video: Tensor, *, final_norm: bool) -> Tensor:
    """Tokens [B, N, C] of clips. Clips are uint8 [B, T, S, S, 3] RGB, or float as from `prepare_clips`."""
    tokens = encoder(video if video.is_floating_point() else prepare_clips(video))
    return encoder.norm(tokens) if final_norm else tokens
