"""Converts state dicts of the VideoMAE family to the names of `network.py`.

There are three naming schemes: that of the official TrackMAE code, which is ours; the older one of VideoMAE, with `q_bias`
and `v_bias` instead of `qkv.bias`; and that of Hugging Face. A missing key bias is zero: it adds the same to all logits of a
query, so softmax does not depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_HUGGING_FACE = (
    (r"^videomae\.embeddings\.patch_embeddings\.projection\.", "encoder.patch_embed.proj."),
    (r"^videomae\.encoder\.layer\.", "encoder.blocks."),
    (r"^videomae\.layernorm\.", "encoder.norm."),
    (r"^decoder\.decoder_layers\.", "decoder.blocks."),
    (r"^classifier\.", "head."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.attention\.attention\.", ".attn."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.query\.", ".q."),
    (r"\.key\.", ".k."),
    (r"\.value\.", ".v."),
)
_PARTS = re.compile(r"^(.*\.attn)\.([qkv])([._])(weight|bias)$")


def in_our_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with joined projections of attention: `qkv.weight`, `qkv.bias`.

    A classifier's encoder has no prefix, as in the official code.
    """
    renamed = {_translated(name): value for name, value in tensors.items()}
    if "fc_norm.weight" in renamed:
        renamed = {name.removeprefix("encoder."): value for name, value in renamed.items()}
    whole: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in renamed.items():
        if match := _PARTS.match(name):
            layer, part, _, what = match.groups()
            parts.setdefault(f"{layer}.qkv.{what}", {})[part] = value
        else:
            whole[name] = value
    return {**whole, **{name: _joined(found) for name, found in parts.items()}}


def _translated(name: str) -> str:
    if not name.startswith(("videomae.", "decoder.decoder_layers.", "classifier.")):
        return name
    for pattern, ours in _HUGGING_FACE:
        name = re.sub(pattern, ours, name)
    return name


def _joined(parts: Mapping[str, Tensor]) -> Tensor:
    """Concatenated rows of q, k and v, with zeros for missing ones."""
    like = next(iter(parts.values()))
    return torch.cat([parts.get(part, torch.zeros_like(like)) for part in "qkv"])
