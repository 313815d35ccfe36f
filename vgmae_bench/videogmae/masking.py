"""Chooses the patches of a clip that the encoder sees in training."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vgmae_bench.devices import to_device
from vgmae_bench.models.frames import prepare_clips
from vgmae_bench.models.readout import TokenOrder
from vgmae_bench.training.recipe import Batch
from vgmae_bench.videogmae.network import Encoded, VideoGMAE

MaskMode = Literal["uniform", "first_shown"]


def encode_part(
    model: VideoGMAE,
    batch: Batch,
    mask_ratio: float,
    token_order: TokenOrder = "identity",
    mask_mode: MaskMode = "uniform",
) -> Encoded:
    """Encode a random part of some clips.

    Clips can be shorter than the network's. Then their last frame is repeated, and the repetitions are always hidden.

    Arguments:
        mask_ratio: share of hidden patches, of all frames ("uniform") or of the frames after the first ("first_shown").
    """
    images, T = prepare_clips(batch.video), batch.video.shape[1]
    missing = images[:, :, -1:].expand(-1, -1, model.config.num_frames - T, -1, -1)
    total, patches = model.config.num_tokens, model.config.grid**2
    always = patches if mask_mode == "first_shown" else 0
    kept = max(1, always + int((T * patches - always) * (1 - mask_ratio)))
    order = draw_order(batch.seeds, total, T * patches, kept, token_order, always)
    order = to_device(order, images.device)
    # Half a token more than is kept, so that rounding returns the exact number of tokens.
    hidden = 1 - (kept + 0.5) / total if kept < total else 0.0
    return model.encode(torch.cat([images, missing], dim=2), hidden, order)


def draw_order(
    seeds: tuple[int, ...], total: int, shown: int, kept: int, token_order: TokenOrder, always: int = 0
) -> Tensor:
    """Permutations int64 [len(seeds), total] that begin with `kept` random tokens of the first `shown`.

    Arguments:
        seeds: one per clip.
        token_order: order of the kept tokens. The order of the others has no effect.
        always: this many first tokens are always kept.
    """
    rows = []
    for seed in seeds:
        noise = torch.rand(shown, generator=torch.Generator().manual_seed(seed))
        noise[:always] -= 1
        chosen = noise.argsort()
        if token_order == "identity":
            chosen = torch.cat([chosen[:kept].sort().values, chosen[kept:]])
        rows.append(torch.cat([chosen, torch.arange(shown, total)]))
    return torch.stack(rows)
