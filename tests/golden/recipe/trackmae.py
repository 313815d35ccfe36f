"""TrackMAE (arXiv 2603.27268; rvandeghen/TrackMAE 3e7db78): networks, targets and masks, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .rule import Weights, normalised

TUBELET = 2


def positions(count: int, width: int) -> Tensor:
    """[1, N, D]: a sinusoid over the index of the flattened token, sines and cosines taking turns."""
    channel = torch.arange(width)
    angle = torch.arange(count).double()[:, None] / 10000.0 ** (2 * (channel // 2).double() / width)
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())[None]


def patches(frames: Tensor, patch: int) -> Tensor:
    """[B, T, H, W, 3] to [B, N, 2 * p * p, 3]: tokens in raster order, time first."""
    batch, steps, height, width, _ = frames.shape
    cut = frames.reshape(batch, steps // TUBELET, TUBELET, height // patch, patch, width // patch, patch, 3)
    return cut.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(batch, -1, TUBELET * patch * patch, 3)


def embed(w: Weights, frames: np.ndarray, made: dict[str, Any], prefix: str) -> Tensor:
    """uint8 [B, T, H, W, 3] to embedded tokens with their positions."""
    width, patch = made[f"{prefix.rstrip('.')}_embed_dim" if prefix else "embed_dim"], made["patch_size"]
    kernel = w.take("encoder.patch_embed.proj.weight", width, 3, TUBELET, patch, patch)
    flat = patches(normalised(frames), patch).transpose(2, 3).flatten(2)
    tokens = flat @ kernel.flatten(1).T + w.bias("encoder.patch_embed.proj", width)
    return tokens + positions(tokens.shape[1], width)


def pick(tokens: Tensor, chosen: Tensor) -> Tensor:
    """[B, N, D] and bool [B, N], equally many of each row: the chosen ones."""
    return tokens[chosen].reshape(len(tokens), -1, tokens.shape[-1])


def decode(w: Weights, shown: Tensor, hidden: Tensor, made: dict[str, Any], branch: str) -> Tensor:
    """What one branch says of the hidden tokens, or of all where none is hidden."""
    motion = branch == "motion"
    bridge, name = ("encoder_to_tracker", "tracker_decoder") if motion else ("encoder_to_decoder", "decoder")
    depth = made["tracker_decoder_depth" if motion else "decoder_depth"]
    classes = made["tracker_decoder_num_classes" if motion else "decoder_num_classes"]
    width = made["decoder_embed_dim"]
    table = positions(hidden.shape[1], width).expand(len(hidden), -1, -1)
    seen = w.linear(shown, bridge, width, bias=False) + pick(table, ~hidden)
    x = torch.cat([seen, w.take("mask_token", 1, 1, width) + pick(table, hidden)], dim=1)
    for layer in range(depth):
        x = w.block(x, f"{name}.blocks.{layer}", made["decoder_num_heads"])
    wanted = int(hidden[0].sum()) or x.shape[1]
    return w.linear(w.norm(x[:, -wanted:], f"{name}.norm", 1e-6), f"{name}.head", classes)


def pretraining(w: Weights, frames: np.ndarray, hidden: Tensor, made: dict[str, Any]) -> dict[str, Tensor]:
    """Every stage for one mask, bool [B, N]."""
    x = pick(embed(w, frames, made, "encoder."), ~hidden)
    stages = {}
    for layer in range(made["encoder_depth"]):
        x = w.block(x, f"encoder.blocks.{layer}", made["encoder_num_heads"])
        stages[f"block{layer}"] = x
    stages["encoder"] = w.norm(x, "encoder.norm", 1e-6)
    for branch in ("spatial", "motion"):
        stages[branch] = decode(w, stages["encoder"], hidden, made, branch)
    return stages


def fine_tuned(w: Weights, frames: np.ndarray, made: dict[str, Any]) -> dict[str, Tensor]:
    """The encoder without its last norm, pooled and classified."""
    x = embed(w, frames, made, "")
    stages = {}
    for layer in range(made["depth"]):
        x = w.block(x, f"encoder.blocks.{layer}", made["num_heads"])
        stages[f"block{layer}"] = x
    stages["pooled"] = w.norm(x.mean(dim=1), "fc_norm", 1e-6)
    stages["logits"] = w.linear(stages["pooled"], "head", made["num_classes"])
    return stages


def pixel_targets(frames: np.ndarray, hidden: Tensor, patch: int) -> dict[str, Tensor]:
    """[B, Nm, p0 p1 p2 c], as they are and standardised colour by colour."""
    tokens = pick(patches(torch.from_numpy(frames).double() / 255, patch).flatten(2), hidden)
    tokens = tokens.unflatten(2, (-1, 3))
    centred = tokens - tokens.mean(dim=2, keepdim=True)
    scaled = centred / (tokens.std(dim=2, keepdim=True) + 1e-6)
    return {"pixel_raw": tokens.flatten(2), "pixel_norm": scaled.flatten(2)}


def upsampled(tracks: Tensor) -> Tensor:
    """[B, T, g * g, 2] to a lattice twice as fine: absolute positions, bilinear, corners in corners."""
    batch, steps, points, _ = tracks.shape
    side = round(points**0.5)
    lattice = tracks.reshape(batch * steps, side, side, 2).permute(0, 3, 1, 2)
    fine = F.interpolate(lattice, scale_factor=2, mode="bilinear", align_corners=True)
    return fine.permute(0, 2, 3, 1).reshape(batch, steps, 4 * points, 2)


def motion_targets(tracks: Tensor) -> dict[str, Tensor]:
    """Of a lattice of four points a token: the displacements, and those standardised over the four."""
    batch, steps, points, _ = tracks.shape
    side = round(points**0.5)
    step = tracks[:, 1:] - tracks[:, :-1]
    step = torch.cat([step, step[:, -1:]], dim=1)  # the last is a copy of the one before
    cut = step.reshape(batch, steps, side // 2, 2, side // 2, 2, 2)
    tokens = cut.permute(0, 1, 2, 4, 3, 5, 6).reshape(batch, steps * points // 4, 4, 2)
    centred = tokens - tokens.mean(dim=2, keepdim=True)
    spread = tokens.std(dim=2)
    scaled = centred / (spread[:, :, None] + 1e-6)
    return {"none": tokens.flatten(2), "patch": scaled.flatten(2), "spread": spread}


def tube_motion(tracks: np.ndarray, grid: int) -> np.ndarray:
    """[B, T, points, 2] to [B, grid * grid]: the mean step, pooled where there are four points a tube."""
    length = np.linalg.norm(np.diff(tracks.astype(float), axis=1), axis=-1).mean(axis=1)
    side = round(length.shape[1] ** 0.5)
    pool = side // grid
    return length.reshape(-1, grid, pool, grid, pool).mean(axis=(2, 4)).reshape(len(length), -1)


def motion_mask(
    motion: np.ndarray, draws: list[np.ndarray], extra: np.ndarray, shown: int, of_fast: int
) -> tuple[np.ndarray, np.ndarray]:
    """One clip's mask, and which tubes are of the half that moves most.

    A half that is asked for more than it has is drawn from once without and, for the rest, with replacement; the second
    draw can only repeat.
    """
    order = np.argsort(-motion, kind="stable")
    middle = len(order) // 2
    hidden, fast = np.ones(len(order), dtype=bool), np.zeros(len(order), dtype=bool)
    fast[order[:middle]] = True
    for half, ranks, wanted in ((order[:middle], draws[0], of_fast), (order[middle:], draws[1], shown - of_fast)):
        hidden[half[np.argsort(-ranks, kind="stable")[: min(wanted, len(half))]]] = False
        hidden[half[extra[: max(0, wanted - len(half))]]] = False
    return hidden, fast
