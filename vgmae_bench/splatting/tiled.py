"""The torch back end: composites tile by tile, on any device, in float32 or float64.

Few Gaussians touch a pixel. So each tile of 16 × 16 pixels gets a depth-sorted list of its Gaussians, and tiles with lists of
similar length are composited together. Matrix products compute the exponents for all pixels of a tile: an exponent is the sum
of two squares, and each root is a product of coefficients of the Gaussian and monomials of the pixel. The backward pass sums
over pixels by matrix products, too. It recomputes the weights instead of storing them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from vgmae_bench.splatting.projection import ALPHA_MIN, T_STOP, Projection

TILE = 16
CHUNK = 1 << 18
"""Limit on (Gaussian, pixel) pairs in memory, unless a single tile has more: 1 MB per array in float32."""


def composite(
    projection: Projection, opacities: Tensor, features: Tensor, height: int, width: int, max_alpha: float
) -> tuple[Tensor, Tensor]:
    """Like `vgmae_bench.splatting.composite`, with one leading dimension: features [I, H, W, C] and alpha [I, H, W]."""
    with_alpha: Tensor = _Tiled.apply(  # type: ignore[no-untyped-call]  # torch leaves it untyped
        height, width, max_alpha, *projection, opacities, features
    )
    return with_alpha[..., :-1], with_alpha[..., -1]


class _Chunk(NamedTuple):
    """Tiles [t] and the flat indices [t, L] of their Gaussians, nearest first; `real` is False for padding."""

    tiles: Tensor
    members: Tensor
    real: Tensor


class _Weights(NamedTuple):
    """Weights of one chunk, [t, L, 256] each. `centred`, [t, L, 2], are the means relative to the middle of the tile."""

    centred: Tensor
    alpha: Tensor
    before: Tensor  # transmittance in front of the Gaussian
    weight: Tensor


class _Tiled(torch.autograd.Function):
    """[I, N, …] → [I, H, W, C + 1]. The last channel is alpha: the composite of a feature that is 1 everywhere."""

    @staticmethod
    def forward(ctx: Any, height: int, width: int, max_alpha: float, *arrays: Tensor) -> Tensor:
        means2d, conics, depths, radii, opacities, features = arrays
        ctx.save_for_backward(*arrays)
        ctx.size, ctx.max_alpha = (height, width), max_alpha
        images, channels = len(features), features.shape[-1]
        rows, columns = -(-height // TILE), -(-width // TILE)
        flat = pad(features, (0, 1), value=1.0).flatten(0, 1)
        out = features.new_zeros(images * rows * columns, TILE * TILE, channels + 1)
        for chunk in _chunks(means2d, depths, radii, height, width):
            weights = _weigh(chunk, means2d, conics, opacities, rows * columns, columns, max_alpha)
            out[chunk.tiles] = weights.weight.transpose(1, 2) @ flat[chunk.members]
        grid = out.view(images, rows, columns, TILE, TILE, channels + 1).transpose(2, 3)
        return grid.reshape(images, rows * TILE, columns * TILE, channels + 1)[:, :height, :width].contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        means2d, conics, depths, radii, opacities, features = ctx.saved_tensors
        height, width = ctx.size
        rows, columns = -(-height // TILE), -(-width // TILE)
        grad = pad(grad, (0, 0, 0, columns * TILE - width, 0, rows * TILE - height))
        grad = grad.unflatten(2, (columns, TILE)).unflatten(1, (rows, TILE)).transpose(2, 3).flatten(3, 4).flatten(0, 2)
        flat = pad(features, (0, 1), value=1.0).flatten(0, 1)
        sums = means2d.new_zeros(len(flat), 6 + flat.shape[-1])  # moments about the mean, dL/dfeatures
        basis = _monomials(means2d)
        for chunk in _chunks(means2d, depths, radii, height, width):
            centred, alpha, before, weight = _weigh(
                chunk, means2d, conics, opacities, rows * columns, columns, ctx.max_alpha
            )
            pixel_grad = grad[chunk.tiles]
            gain = flat[chunk.members] @ pixel_grad.transpose(1, 2)  # s = g · f
            passed = weight * gain
            behind = passed.flip(1).cumsum(1).flip(1).sub_(passed)
            grad_alpha = gain.mul_(before).sub_(behind.div_(1 - alpha))
            h = grad_alpha.mul_(alpha)  # -dL/dσ
            h = torch.where((weight > 0) & (alpha < ctx.max_alpha), h, 0.0)
            moments = _shift(h @ basis.T, centred)
            values = torch.cat([moments, weight @ pixel_grad], dim=-1)
            sums.index_add_(0, chunk.members[chunk.real], values[chunk.real])
        sums = sums.view(*opacities.shape, sums.shape[-1])
        one, x, y, xx, xy, yy = sums[..., :6].unbind(dim=-1)
        a, b, c = conics.unbind(dim=-1)
        return (
            *[None] * 3,
            torch.stack([a * x + b * y, b * x + c * y], dim=-1),
            torch.stack([-xx / 2, -xy, -yy / 2], dim=-1),
            *[None] * 2,
            torch.where(opacities > 0, one / opacities, 0.0),
            sums[..., 6:-1],
        )


def _chunks(means2d: Tensor, depths: Tensor, radii: Tensor, height: int, width: int) -> Iterator[_Chunk]:
    """Group tiles by the number of Gaussians whose boxes touch them. Tiles without Gaussians are left out."""
    device, (images, count) = means2d.device, depths.shape
    grid = torch.tensor([-(-width // TILE), -(-height // TILE)], device=device)
    order = torch.argsort(depths, dim=-1, stable=True) + count * torch.arange(images, device=device)[:, None]
    order = order.flatten()
    centre, radius = means2d.flatten(0, 1)[order], radii.flatten(0, 1)[order]
    first = torch.minimum(((centre - radius) / TILE).floor().clamp(min=0), grid).long()
    last = torch.minimum(((centre + radius) / TILE).ceil().clamp(min=0), grid).long()
    spans = torch.where((radius > 0).all(-1, keepdim=True), last - first, 0).clamp(min=0)
    pairs = spans.prod(dim=-1)
    owner = torch.repeat_interleave(pairs)  # one entry per (Gaussian, tile)
    nth = torch.arange(len(owner), device=device) - (pairs.cumsum(0) - pairs)[owner]
    column = first[owner, 0] + nth % spans[owner, 0]
    row = first[owner, 1] + nth // spans[owner, 0]
    tile = (order[owner] // count * grid[1] + row) * grid[0] + column
    tile, by_tile = torch.sort(tile, stable=True)
    members = order[owner[by_tile]]
    tiles, lengths = torch.unique_consecutive(tile, return_counts=True)
    starts = lengths.cumsum(0) - lengths
    lengths, by_length = torch.sort(lengths, descending=True)
    tiles, starts, sizes = tiles[by_length], starts[by_length], lengths.tolist()
    done = 0
    while done < len(sizes):
        longest = sizes[done]
        chosen = slice(done, done + max(1, CHUNK // (longest * TILE * TILE)))
        slot = torch.arange(longest, device=device)
        real = slot < lengths[chosen, None]
        yield _Chunk(tiles[chosen], members[torch.where(real, starts[chosen, None] + slot, 0)], real)
        done = chosen.stop


def _monomials(like: Tensor) -> Tensor:
    """[6, 256]: 1, x, y, x², xy, y² at the pixel centres of a tile, relative to its middle."""
    line = torch.arange(TILE, dtype=like.dtype, device=like.device) + 0.5 - TILE / 2
    y, x = (coordinate.flatten() for coordinate in torch.meshgrid(line, line, indexing="ij"))
    return torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y])


def _weigh(
    chunk: _Chunk, means2d: Tensor, conics: Tensor, opacities: Tensor, tiles: int, columns: int, max_alpha: float
) -> _Weights:
    index = chunk.tiles % tiles
    middle = (torch.stack([index % columns, index // columns], dim=-1) + 0.5) * TILE
    centred = means2d.flatten(0, 1)[chunk.members] - middle[:, None]
    (x, y), (a, b, c) = centred.unbind(-1), conics.flatten(0, 1)[chunk.members].unbind(-1)
    # By Cholesky, sigma is half a sum of two squares, and both roots are linear in the pixel. Expanding the quadratic form
    # would lose digits for Gaussians smaller than the tile.
    p = a.sqrt()
    q, r = b / p, (c - b * b / a).clamp(min=0).sqrt()
    linear = _monomials(means2d)[:3]
    across = torch.stack([-p * x - q * y, p, q], dim=-1) @ linear
    down = torch.stack([-r * y, torch.zeros_like(r), r], dim=-1) @ linear
    minus_sigma = across.square_().addcmul_(down, down).mul_(-0.5)
    opacity = torch.where(chunk.real, opacities.flatten()[chunk.members], 0.0)
    alpha = torch.exp_(minus_sigma).mul_(opacity[..., None])
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, 0.0).clamp_(max=max_alpha)
    # Transmittance before the first Gaussian, between Gaussians, and after the last.
    light = torch.ones_like(alpha[:, :1]).repeat(1, alpha.shape[1] + 1, 1)
    after, before = light[:, 1:], light[:, :-1]
    torch.cumprod(1 - alpha, dim=1, out=after)
    return _Weights(centred, alpha, before, torch.where(after > T_STOP, alpha * before, 0.0))


def _shift(moments: Tensor, mean: Tensor) -> Tensor:
    """Convert moments [t, L, 6] about the middle of the tile to moments about `mean` [t, L, 2]."""
    one, x, y, xx, xy, yy = moments.unbind(dim=-1)
    mx, my = mean.unbind(dim=-1)
    dx, dy = x - mx * one, y - my * one
    return torch.stack([one, dx, dy, xx - mx * (x + dx), xy - mx * y - my * dx, yy - my * (y + dy)], dim=-1)
