"""Open a method's encoder for probing, and set learning rates by layer for fine-tuning it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from vgmae_bench.config import Json
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.method import open_part
from vgmae_bench.evaluation.records.results import MethodUsed
from vgmae_bench.models.encoder import VideoEncoder

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
