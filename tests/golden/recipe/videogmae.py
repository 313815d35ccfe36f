"""Video-GMAE (arXiv 2512.22489; tekotan/video-gmae c630810): network, Gaussians, readout and tracking, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .rule import Weights, normalised, sines


def space(side: int, width: int) -> Tensor:
    """[side * side, width]: half of the channels tell the column, half the row."""
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.cat([sines(column.flatten(), width // 2), sines(row.flatten(), width // 2)], dim=1)


def space_time(frames: int, side: int, width: int) -> Tensor:
    """[1, T * side * side, width]: a quarter of the channels tells the frame."""
    time = sines(torch.arange(frames), width // 4).repeat_interleave(side * side, dim=0)
    return torch.cat([time, space(side, width - width // 4).repeat(frames, 1)], dim=1)[None]


def tables(made: dict[str, Any]) -> dict[str, Tensor]:
    """The fixed tables by their official names."""
    side, frames = made["img_size"] // made["patch_size"], made["number_of_frames"]
    widths = {"pos_embed": made["embed_dim"], "decoder_pos_embed": made["decoder_embed_dim"]}
    if "interpolate" not in made["training_type"]:
        return {name: space_time(frames, side, width) for name, width in widths.items()}
    made_tables = {
        name: torch.cat([torch.zeros(1, width).double(), space(side, width)])[None] for name, width in widths.items()
    }
    time = sines(torch.arange(frames), made["embed_dim"])
    time[0] = 0
    return {**made_tables, "pos_embed_t": time[None]}


def encode(w: Weights, video: np.ndarray, keep: Tensor, made: dict[str, Any]) -> tuple[list[Tensor], Tensor]:
    """Kept tokens [B, n], in the order given, through all blocks: the blocks' outputs and the latents."""
    width, patch = made["embed_dim"], made["patch_size"]
    batch, frames, height, wide, _ = video.shape
    cut = normalised(video).reshape(batch, frames, height // patch, patch, wide // patch, patch, 3)
    flat = cut.permute(0, 1, 2, 4, 6, 3, 5).reshape(batch, -1, 3 * patch * patch)
    kernel = w.take("patch_embed.proj.weight", width, 3, patch, patch)
    x = flat @ kernel.flatten(1).T + w.bias("patch_embed.proj", width)
    fixed = tables(made)
    interpolated = "interpolate" in made["training_type"]
    if interpolated:
        of_frame = fixed["pos_embed"][:, 1:].repeat(1, frames, 1)
        x = x + of_frame + fixed["pos_embed_t"].repeat_interleave(of_frame.shape[1] // frames, dim=1)
    else:
        x = x + fixed["pos_embed"]
    x = torch.gather(x, 1, keep[..., None].expand(-1, -1, width))
    if interpolated:
        first = w.take("cls_token", 1, 1, width) + fixed["pos_embed"][:, :1]
        x = torch.cat([first.expand(batch, -1, -1), x], dim=1)
    blocks = []
    for layer in range(made["depth"]):
        x = w.block(x, f"blocks.{layer}", made["num_heads"])
        blocks.append(x[:, -keep.shape[1] :])
    return blocks, w.norm(x, "norm", 1e-6)[:, -keep.shape[1] :]


def decode(w: Weights, latent: Tensor, keep: Tensor, made: dict[str, Any]) -> Tensor:
    """Latents [B, n, D] to x_points [B, T * G, 14]; attention is causal over latents and queries alike."""
    width, count = made["decoder_embed_dim"], made["number_of_frames"] * made["num_gaussian"]
    x = w.linear(latent, "decoder_embed", width)
    if "interpolate" not in made["training_type"]:
        x = x + tables(made)["decoder_pos_embed"][0][keep]
    queries = w.take("mask_token", 1, 1, width) + w.take("decoder_pos_embed_gaussian", 1, count, width)
    x = torch.cat([x, queries.expand(len(x), -1, -1)], dim=1)
    for layer in range(made["decoder_depth"]):
        x = w.block(x, f"decoder_blocks.{layer}", made["decoder_num_heads"], causal=True)
    x = w.norm(x, "decoder_norm", 1e-6)[:, -count:]
    return w.linear(x, "linear_gaussian", 14, bias=False)


def gaussians(x: Tensor, scale_factor: float = 1.0, rgb_scale: float = 0.0) -> dict[str, Tensor]:
    """x [B, T, G, 14] to attributes; `rgb_scale` 0 takes colours frame by frame, otherwise frame 0 and residuals."""
    first = x[:, 0]
    step = 5 * torch.tanh(x[..., :3])
    step = torch.cat([step[:, :1], step[:, 1:] / 10], dim=1)
    s = torch.sigmoid(first[..., 6:9])
    u, v, z = s.unbind(-1)
    turn = 2 * math.pi
    quats = [(1 - u).sqrt() * (turn * v).sin(), (1 - u).sqrt() * (turn * v).cos()]
    quats += [u.sqrt() * (turn * z).sin(), u.sqrt() * (turn * z).cos()]
    rgb = torch.sigmoid(x[..., 10:13])
    if rgb_scale:
        if rgb_scale == 1:
            later = torch.sigmoid(x[:, :1, :, 10:13] + x[:, 1:, :, 10:13])
        else:
            later = (rgb[:, :1] + rgb_scale * rgb[:, 1:]).clamp(0, 1)
        rgb = torch.cat([rgb[:, :1], later], dim=1)
    return {
        "means": step.cumsum(dim=1),
        "quats": torch.stack(quats, dim=-1),
        "scales": scale_factor * torch.sigmoid(first[..., 3:6]),
        "opacities": torch.sigmoid(first[..., 13]),
        "colors": rgb,
    }


def fourier(queries: Tensor, features: int) -> Tensor:
    """[B, N, 3] to [B, N, 3 * features]: sines and then cosines of each coordinate."""
    angle = queries[..., None] * (2.0 ** torch.arange(features // 2).double() * math.pi)
    return torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(2)


def readout(w: Weights, latent: Tensor, queries: Tensor, made: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Latents [B, L, D] and queries [B, N, 3] to positions [B, N, T, 2] and the probability of occlusion [B, N, T]."""
    length, width = latent.shape[1:]
    frames, heads = made["number_of_frames"], made["readout_heads"]
    memory = w.norm(latent, "readout.norm", 1e-5) + w.take("readout.enc_temporal_embed", 1, length, width)
    code = w.linear(fourier(queries, made["num_fourier_features"]), "readout.fourier_embedding", 512)
    code = w.linear(code, "readout.query_mlp.0", width)
    q = code[:, :, None] + w.take("readout.query_temporal_embed", 1, frames, width)[:, None]
    q = w.norm(q.flatten(1, 2), "readout.norm1", 1e-5)
    packed = w.take("readout.cross_attn.in_proj_weight", 3 * width, width)
    bias = w.take("readout.cross_attn.in_proj_bias", 3 * width)
    parts = [
        F.linear(x, some, add).unflatten(2, (heads, -1)).transpose(1, 2)
        for x, some, add in zip((q, memory, memory), packed.chunk(3), bias.chunk(3), strict=True)
    ]
    share = (parts[0] @ parts[1].transpose(2, 3) / math.sqrt(width // heads)).softmax(dim=-1)
    mixed = (share @ parts[2]).transpose(1, 2).flatten(2)
    q = q + w.linear(mixed, "readout.cross_attn.out_proj", width)
    hidden = F.gelu(w.linear(q, "readout.mlp.0", 4 * width))
    out = w.linear(w.linear(hidden, "readout.mlp.2", width), "readout.output_proj", 3).sigmoid()
    out = out.unflatten(1, (-1, frames))
    return out[..., :2], out[..., 2]


def sample(field: np.ndarray, x: float, y: float) -> np.ndarray:
    """[H, W, C] at one position, bilinear, the position clamped to the frame."""
    height, width = field.shape[:2]
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    a, b = x - left, y - top
    upper = (1 - a) * field[top, left] + a * field[top, right]
    lower = (1 - a) * field[bottom, left] + a * field[bottom, right]
    return (1 - b) * upper + b * lower


def follow(
    flows: np.ndarray,
    weights: np.ndarray,
    centres: np.ndarray,
    start: np.ndarray,
    settings: tuple[int, float, float],
    given: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The occlusion-aware tracker, point by point; centres are those of frames 1, 2, …"""
    topk, tau, beta = settings
    steps, height, width, _ = flows.shape
    count = min(topk, weights.shape[-1])
    traj, vis = np.zeros((steps + 1, len(start), 2)), np.zeros((steps + 1, len(start)))
    pis, ids = np.zeros((steps + 1, len(start), count)), np.zeros((len(start), count), dtype=int)
    for n, p in enumerate(np.asarray(start, dtype=float)):
        at = sample(weights[0], *p)
        ids[n] = np.argsort(-at, kind="stable")[:count] if given is None else given[n]
        traj[0, n], vis[0, n] = p, at[ids[n]].sum() >= tau
        for t in range(1, steps + 1):
            p = traj[t - 1, n]
            held = sample(weights[t - 1], *p)[ids[n]]
            mass = held.sum()
            assert abs(mass - tau) > 1e-4 or mass == 0
            share = held / (mass + 1e-8) if mass > 0 else np.full(count, 1 / count)
            pis[t - 1, n] = share
            here = centres[t - 1][ids[n]]
            offset = p - centres[t - 2][ids[n]] if t >= 2 else np.zeros((count, 2))
            proposal = (share[:, None] * (here + offset)).sum(axis=0)
            seen = mass >= tau
            mixed = beta * max(0.0, 1 - min(1.0, mass))
            carried = p + sample(flows[t - 1], *p)
            traj[t, n] = (1 - mixed) * carried + mixed * proposal if seen else proposal
            inside = 0 <= traj[t, n, 0] < width and 0 <= traj[t, n, 1] < height
            vis[t, n] = seen and inside
    pis[-1] = pis[-2]
    return {"traj": traj, "ids": ids, "pis": pis, "vis": vis}
