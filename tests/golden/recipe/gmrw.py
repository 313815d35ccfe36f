"""GMRW (arXiv 2409.16288; ayshrv/gmrw bf832bd): network, matrix, flow, palindrome loss and tracking, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .rule import MEAN, STD, Weights

CHANNELS, LAYERS, SPLITS = 16, 2, 2


def instance_norm(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=(2, 3), keepdim=True)
    return centred / (centred.square().mean(dim=(2, 3), keepdim=True) + 1e-5).sqrt()


def residual(w: Weights, x: Tensor, name: str, width: int, stride: int) -> Tensor:
    first = w.take(f"{name}.conv1.weight", width, x.shape[1], 3, 3)
    y = F.relu(instance_norm(F.conv2d(x, first, stride=stride, padding=1)))
    y = F.relu(instance_norm(F.conv2d(y, w.take(f"{name}.conv2.weight", width, width, 3, 3), padding=1)))
    if stride != 1 or width != x.shape[1]:
        down = w.take(f"{name}.downsample.0.weight", width, x.shape[1], 1, 1)
        x = instance_norm(F.conv2d(x, down, w.bias(f"{name}.downsample.0", width), stride=stride))
    return F.relu(x + y)


def backbone(w: Weights, images: Tensor) -> Tensor:
    """[B, 3, H, W] to [B, C, H / 4, W / 4]; the map at stride 8 is never used."""
    x = F.conv2d(images, w.take("backbone.conv1.weight", 64, 3, 7, 7), stride=2, padding=3)
    x = F.relu(instance_norm(x))
    for layer, (width, stride) in enumerate(((64, 1), (96, 2), (128, 1)), start=1):
        x = residual(w, x, f"backbone.layer{layer}.0", width, stride)
        x = residual(w, x, f"backbone.layer{layer}.1", width, 1)
    x = F.conv2d(x, w.take("backbone.conv2.weight", CHANNELS, 128, 1, 1), w.bias("backbone.conv2", CHANNELS))
    return F.conv2d(x, w.take("backbone.trident_conv.weight", CHANNELS, CHANNELS, 3, 3), padding=1)


def window_positions(height: int, width: int) -> Tensor:
    """[C, h, w]: the same code of the place within each of the windows, rows in the first half of the channels."""
    feature = torch.arange(CHANNELS // 2)
    frequency = 10000.0 ** (2 * (feature // 2).double() / (CHANNELS // 2))

    def axis(count: int) -> Tensor:
        place = torch.arange(1, count + 1).double()
        angle = (place / (place[-1] + 1e-6) * 2 * math.pi)[:, None] / frequency
        return torch.where(feature % 2 == 0, angle.sin(), angle.cos())

    rows, columns = axis(height // SPLITS), axis(width // SPLITS)
    tall, wide = len(rows), len(columns)
    window = torch.cat([rows[:, None].expand(-1, wide, -1), columns[None].expand(tall, -1, -1)], dim=-1)
    return window.repeat(SPLITS, SPLITS, 1).permute(2, 0, 1)


def window_of(height: int, width: int, shift: tuple[int, int]) -> Tensor:
    """The window that each cell belongs to after rolling by a shift, and the side of the border it came from.

    Two cells see each other where both numbers are the same: this is what the mask of -100 in a softmax is for.
    """
    tall, wide = height // SPLITS, width // SPLITS
    row = (torch.arange(height) - shift[0]) % height
    column = (torch.arange(width) - shift[1]) % width
    wrapped_row = (row >= height - shift[0]) if shift[0] else torch.zeros(height, dtype=torch.bool)
    wrapped_column = (column >= width - shift[1]) if shift[1] else torch.zeros(width, dtype=torch.bool)
    window = (row // tall)[:, None] * SPLITS + (column // wide)[None]
    side = wrapped_row[:, None].long() * 2 + wrapped_column[None].long()
    return (window * 4 + side).flatten()


def attend(w: Weights, s: Tensor, t: Tensor, name: str, window: Tensor) -> Tensor:
    """[B, N, C] to the normalised message, attention within windows."""
    q, k, v = (w.linear(x, f"{name}.{part}_proj", CHANNELS, bias=False) for x, part in ((s, "q"), (t, "k"), (t, "v")))
    logits = q @ k.transpose(1, 2) / math.sqrt(CHANNELS)
    logits = logits.masked_fill(window[:, None] != window[None], -math.inf)
    message = w.linear(logits.softmax(dim=-1) @ v, f"{name}.merge", CHANNELS, bias=False)
    return w.norm(message, f"{name}.norm1", 1e-5)


def match(w: Weights, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Backbone maps [B, C, h, w] of two frames to comparable features [B, N, C]."""
    height, width = a.shape[2:]
    place = window_positions(height, width)
    f1, f2 = ((x + place).flatten(2).transpose(1, 2) for x in (a, b))
    x, y = torch.cat([f1, f2]), torch.cat([f2, f1])
    for layer in range(LAYERS):
        shift = (height // SPLITS // 2, width // SPLITS // 2) if layer % 2 else (0, 0)
        window = window_of(height, width, shift)
        name = f"transformer.layers.{layer}"
        x = x + attend(w, x, x, f"{name}.self_attn", window)
        cross = f"{name}.cross_attn_ffn"
        message = torch.cat([x, attend(w, x, y, cross, window)], dim=-1)
        hidden = F.gelu(w.linear(message, f"{cross}.mlp.0", 2 * CHANNELS * 4, bias=False))
        x = x + w.norm(w.linear(hidden, f"{cross}.mlp.2", CHANNELS, bias=False), f"{cross}.norm2", 1e-5)
        y = torch.cat(x.chunk(2)[::-1])
    first, second = x.chunk(2)
    return first, second


def images(frames: np.ndarray, divisor: int) -> Tensor:
    """uint8 [..., H, W, 3] to float64 [..., 3, H, W] of zero mean; the official evaluation forgets to divide by 255."""
    x = torch.from_numpy(frames).double() / divisor
    return ((x - torch.tensor(MEAN).double()) / torch.tensor(STD).double()).movedim(-1, -3)


def matrix(f1: Tensor, f2: Tensor) -> Tensor:
    return (f1 @ f2.transpose(1, 2) / math.sqrt(CHANNELS)).softmax(dim=-1)


def windowed(a: Tensor, width: int, radius: float) -> Tensor:
    """Only cells nearer than the radius to the best one, in rows that add up to 1."""
    cell = torch.arange(a.shape[-1])
    best = a.argmax(dim=-1, keepdim=True)
    apart = (cell % width - best % width) ** 2 + (cell // width - best // width) ** 2
    kept = torch.where(apart < radius**2, a, 0.0)
    return kept / kept.sum(dim=-1, keepdim=True).clamp(min=1e-12)


def cells(height: int, width: int) -> Tensor:
    """[N, 2]: x and y."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2).double()


def flow_cells(a: Tensor, height: int, width: int) -> Tensor:
    """[B, 2, h, w]: the expected place less the own one."""
    flow = a @ cells(height, width) - cells(height, width)
    return flow.transpose(1, 2).unflatten(2, (height, width))


def to_pixels(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Corners of the lattice in corners of the frame, and yet times the ratio of the sizes."""
    factor = torch.tensor([size[1] / flow.shape[3], size[0] / flow.shape[2]]).double()
    return F.interpolate(flow, size, mode="bilinear", align_corners=True) * factor[:, None, None]


def resampled_labels(theta: np.ndarray, height: int, width: int) -> dict[str, np.ndarray] | None:
    """The official labels: images of x, y and 1, bilinear between cells, black outside, rounded.

    None where a value is too close to one half to be safe from rounding in float32.
    """
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(float)
    corner = np.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1, np.ones_like(x)], axis=-1)
    place = np.einsum("bij,nj->bni", theta.astype(float), corner)
    u, v = (place[..., 0] + 1) / 2 * (width - 1), (place[..., 1] + 1) / 2 * (height - 1)
    sums = np.zeros((3, *u.shape))
    for down in (0, 1):
        for right in (0, 1):
            column, row = np.floor(u) + right, np.floor(v) + down
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            share = (1 - np.abs(u - column)) * (1 - np.abs(v - row)) * inside
            sums += share * np.stack([column, row, np.ones_like(column)])
    label, mask = np.rint(sums[1]) * width + np.rint(sums[0]), sums[2] > 0.5
    exact = np.stack([u, v], axis=-1)
    rounded = np.rint(exact)
    if min(np.abs(value % 1 - 0.5).min() for value in (sums, exact)) < 1e-4:
        return None
    outside = (rounded < 0) | (rounded > [width - 1, height - 1])
    slips = mask & (outside.any(axis=-1) | (label != rounded[..., 1] * width + rounded[..., 0]))
    return {"label": label, "mask": mask, "exact_xy": exact, "border_bug": slips}


def theta_of(boxes: np.ndarray) -> np.ndarray:
    """Float64 [B, 2, 3]: from one crop to the other, corner pixels at -1 and 1, as kornia has it."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = boxes.astype(float).transpose(1, 2, 0)
    made = np.zeros((len(boxes), 2, 3))
    made[:, 0, 0], made[:, 1, 1] = (w1 - 1) / (w2 - 1), (h1 - 1) / (h2 - 1)
    made[:, 0, 2] = (2 * (x1 - x2) + w1 - 1) / (w2 - 1) - 1
    made[:, 1, 2] = (2 * (y1 - y2) + h1 - 1) / (h2 - 1) - 1
    return made


def smoothness(flow: Tensor, image: Tensor) -> Tensor:
    """Second order, edge-aware, the mean of both axes; images in [-1, 1]."""
    total = torch.zeros((), dtype=torch.float64)
    for axis in (2, 3):
        count = image.shape[axis]
        ahead, behind = image.narrow(axis, 2, count - 2), image.narrow(axis, 0, count - 2)
        edge = torch.exp(-((150 * (ahead - behind)) ** 2).mean(dim=1, keepdim=True))
        middle = flow.narrow(axis, 1, count - 2)
        bend = flow.narrow(axis, 2, count - 2) - 2 * middle + flow.narrow(axis, 0, count - 2)
        total = total + 0.5 * (edge * torch.sqrt(bend**2 + 0.001**2)).mean()
    return total


def sample(field: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """[H, W, C] at [N, 2], bilinear; indices are clamped to the frame and shares are not."""
    height, width = field.shape[:2]
    low = np.floor(xy)
    total = np.zeros((len(xy), field.shape[2]))
    for down in (0, 1):
        for right in (0, 1):
            column, row = low[:, 0] + right, low[:, 1] + down
            share = (1 - np.abs(xy[:, 0] - column)) * (1 - np.abs(xy[:, 1] - row))
            at = (np.clip(row, 0, height - 1).astype(int), np.clip(column, 0, width - 1).astype(int))
            total += share[:, None] * field[at]
    return total


def chained(there: np.ndarray, back: np.ndarray, tyx: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """Each query carried forwards and backwards step by step; a step that does not come back hides both its frames."""
    steps, height, width = there.shape[:3]
    tracks = np.zeros((steps + 1, len(tyx), 2))
    distance = np.zeros((steps, len(tyx)))
    visible = np.zeros((steps + 1, len(tyx)), dtype=bool)
    for n, (frame, y, x) in enumerate(tyx):
        start = int(frame)
        tracks[start, n] = x, y
        for t in range(start, steps):
            tracks[t + 1, n] = tracks[t, n] + sample(there[t], tracks[t, n][None])[0]
        for t in range(start - 1, -1, -1):
            tracks[t, n] = tracks[t + 1, n] + sample(back[t], tracks[t + 1, n][None])[0]
        for t in range(steps):
            forth, home = sample(there[t], tracks[t, n][None])[0], sample(back[t], tracks[t + 1, n][None])[0]
            distance[t, n] = np.hypot(*(forth + home))
        good = distance[:, n] < threshold
        for t in range(steps + 1):
            inside = 0 <= tracks[t, n, 0] < width and 0 <= tracks[t, n, 1] < height
            visible[t, n] = inside and (t == 0 or good[t - 1]) and (t == steps or good[t])
        visible[start, n] = True
    assert (np.abs(distance - threshold) > 1e-3).all()
    return {"tracks": tracks, "visible": visible, "cycle_distance": distance}


def direct(flows: np.ndarray, tyx: np.ndarray) -> dict[str, np.ndarray]:
    """Each query where the flow from its frame takes it; visible is what lies in the frame."""
    frames, height, width = flows.shape[:3]
    start = tyx[:, [2, 1]]
    tracks = np.stack([start + sample(flows[t], start) for t in range(frames)])
    tracks[tyx[:, 0].astype(int), np.arange(len(tyx))] = start
    inside = ((tracks >= 0) & (tracks < [width, height])).all(axis=-1)
    inside[tyx[:, 0].astype(int), np.arange(len(tyx))] = True
    return {"direct_tracks": tracks, "direct_visible": inside}


def constructor() -> dict[str, Any]:
    return {
        "feature_channels": CHANNELS,
        "num_scales": 2,
        "num_head": 1,
        "attention_type": "swin",
        "ffn_dim_expansion": 4,
        "num_transformer_layers": LAYERS,
        "norm": False,
        "temp": 0,
        "attn_splits": SPLITS,
    }
