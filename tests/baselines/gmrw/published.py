"""A straightforward version of GMRW's published procedure, for comparison in tests and benchmarks.

Every pair of frames goes through the network twice, in either order, with attention as an explicit matrix over windows that
wrap around the borders, under a mask; the transition matrix is written out, and flow is kept at every pixel. The
parameters are those of `vgmae_baselines.gmrw.network.GMRW`. Sizes must be multiples of 4 × 2 splits.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from vgmae_baselines.gmrw.network import GMRW, Attention
from vgmae_baselines.gmrw.windows import window_positions


def track(network: GMRW, images: Tensor, frame: Tensor, xy: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Chained tracking (GMRW-C).

    Arguments:
        images: float [T, 3, H, W], ImageNet-normalised.
        frame, xy: int64 [N] and [N, 2] in pixel indices, the queries.
        threshold: of the forward-backward residual, pixels.

    Returns:
        Positions [N, T, 2] and bool visible [N, T].
    """
    T, _, H, W = images.shape
    forward = torch.stack([flow(network, images[t], images[t + 1]) for t in range(T - 1)])
    backward = torch.stack([flow(network, images[t + 1], images[t]) for t in range(T - 1)])
    path, visible = torch.zeros(len(xy), T, 2), torch.ones(len(xy), T, dtype=torch.bool)
    for n in range(len(xy)):
        start = int(frame[n])
        path[n, start] = xy[n]
        for t in range(start, T - 1):
            path[n, t + 1] = path[n, t] + sample(forward[t], path[n, t])
        for t in range(start, 0, -1):
            path[n, t - 1] = path[n, t] + sample(backward[t - 1], path[n, t])
        for t in range(T - 1):
            error = sample(forward[t], path[n, t]) + sample(backward[t], path[n, t + 1])
            if error.norm() >= threshold:
                visible[n, t : t + 2] = False
        visible[n] &= ((path[n] >= 0) & (path[n] < torch.tensor([W, H]))).all(dim=-1)
        visible[n, start] = True
    return path, visible


def flow(network: GMRW, a: Tensor, b: Tensor) -> Tensor:
    """Flow [H, W, 2] from image a to image b, both [3, H, W]."""
    features = network.backbone(torch.stack([a, b]))
    _, C, h, w = features.shape
    fa, fb = transform(network, features + window_positions(h, w, C, network.config.splits)).flatten(1, 2)
    probability = (fa @ fb.T / network.config.temperature).softmax(dim=1)
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    grid = torch.stack([columns, rows], dim=-1).view(-1, 2).float()
    cells = (probability @ grid - grid).T.view(1, 2, h, w)
    H, W = a.shape[1:]
    pixels = F.interpolate(cells, (H, W), mode="bilinear", align_corners=True)[0].permute(1, 2, 0)
    return pixels * torch.tensor([W / w, H / h])


def transform(network: GMRW, features: Tensor) -> Tensor:
    """The transformer on features [2 B, C, h, w] that have positions: [2 B, h, w, C]."""
    x = features.permute(0, 2, 3, 1)
    for number, layer in enumerate(network.transformer.layers):
        shifted, splits = number % 2 == 1, network.config.splits
        other = torch.cat(x.chunk(2)[::-1])
        x = x + message(layer.self_attn, x, x, splits, shifted=shifted)
        cross = layer.cross_attn_ffn
        both = torch.cat([x, message(cross, x, other, splits, shifted=shifted)], dim=-1)
        x = x + cross.norm2(cross.mlp(both))
    return x


def message(attention: Attention, source: Tensor, target: Tensor, splits: int, *, shifted: bool) -> Tensor:
    q, k, v = attention.q_proj(source), attention.k_proj(target), attention.v_proj(target)
    out: Tensor = attention.norm1(attention.merge(window_attention(q, k, v, splits, shifted=shifted)))
    return out


def window_attention(q: Tensor, k: Tensor, v: Tensor, splits: int, *, shifted: bool, masked: bool = True) -> Tensor:
    """Swin's attention [B, h, w, C]: windows of the rolled maps, and a mask between cells that rolling made neighbours."""
    B, h, w, C = q.shape
    window = h // splits, w // splits
    shift = (window[0] // 2, window[1] // 2) if shifted else (0, 0)
    q, k, v = (_windows(x.roll((-shift[0], -shift[1]), (1, 2)), splits) for x in (q, k, v))
    scores = q @ k.transpose(1, 2) / math.sqrt(C)
    if shifted and masked:
        scores = scores + shift_mask(h, w, splits).repeat(B, 1, 1)
    mixed = (scores.softmax(dim=-1) @ v).view(B, splits, splits, *window, C)
    return mixed.transpose(2, 3).reshape(B, h, w, C).roll(shift, (1, 2))


def shift_mask(h: int, w: int, splits: int) -> Tensor:
    """[splits², n, n]: 0 between cells of a window that were neighbours before rolling, -100 between others."""
    region = torch.zeros(h, w, 1)
    for axis, size in ((0, h), (1, w)):
        window = size // splits
        place = torch.arange(size)
        number = (place >= size - window).int() + (place >= size - window // 2).int()
        region += 3 ** (1 - axis) * number.view([-1, 1, 1] if axis == 0 else [1, -1, 1])
    cut = _windows(region[None], splits)[..., 0]
    return torch.where(cut[:, :, None] == cut[:, None, :], 0.0, -100.0)


def sample(flow: Tensor, xy: Tensor) -> Tensor:
    """Flow [H, W, 2], interpolated at one position [2]. Outside, the border pixels count."""
    H, W = flow.shape[:2]
    x, y = xy.tolist()
    left, top = math.floor(x), math.floor(y)
    value = torch.zeros(2)
    for column, across in ((left, left + 1 - x), (left + 1, x - left)):
        for row, down in ((top, top + 1 - y), (top + 1, y - top)):
            value += across * down * flow[min(max(row, 0), H - 1), min(max(column, 0), W - 1)]
    return value


def _windows(x: Tensor, splits: int) -> Tensor:
    """[B, h, w, C] to [B * splits², n, C]."""
    B, h, w, C = x.shape
    cut = x.view(B, splits, h // splits, splits, w // splits, C).transpose(2, 3)
    return cut.reshape(B * splits**2, -1, C)
