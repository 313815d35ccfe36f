"""Renders Gaussians to images. Three back ends share one signature and give the same results."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vgmae_bench.errors import UsageError
from vgmae_bench.splatting import backends, cuda, native, tiled
from vgmae_bench.splatting.projection import Projection, project


class Rendered(NamedTuple):
    """A rendered image.

    Attributes:
        features: [*, H, W, C], the sum of w_i f_i: premultiplied by alpha, without background, not clamped.
        alpha: [*, H, W], the sum of w_i, in [0, 1).
    """

    features: Tensor
    alpha: Tensor


def render(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    features: Tensor,
    viewmat: Tensor,
    K: Tensor,
    height: int,
    width: int,
    *,
    max_alpha: float = 0.999,
    backend: str = "auto",
) -> Rendered:
    """Composite 3-D Gaussians front to back (Kerbl et al., 3D Gaussian Splatting, 2023; numerics of gsplat 1.5.3).

    The weights are w_i = alpha_i T_i with alpha_i = min(max_alpha, o_i exp(-sigma_i)). T_i is the product of 1 - alpha over
    nearer Gaussians. Gaussians with alpha below 1/255 are skipped. Compositing of a pixel stops before the Gaussian that
    makes T ≤ 1e-4. Any leading dimensions are allowed; they broadcast against each other. float16 and bfloat16 are rendered
    in float32.

    Arguments:
        means: [*, N, 3], centres in world units.
        quats: [*, N, 4], rotations (w, x, y, z), of any length.
        scales: [*, N, 3], standard deviations in world units.
        opacities: [*, N], in [0, 1].
        features: [*, N, C], C ≥ 1: the values to splat, such as colours or flow.
        viewmat: [*, 4, 4], world to camera (x right, y down, z forward).
        K: [*, 3, 3], intrinsics in pixels.
        height, width: size of the images in pixels.
        max_alpha: largest alpha of one Gaussian.
        backend: "gsplat" (CUDA, float32), "native" (CPU, float32), "torch" (any device, also float64), or "auto": the
            fastest that supports the arguments. All back ends give gradients to all tensors, except gsplat for K.

    Returns:
        The images: float64 if any argument is float64, else float32.

    Raises:
        UsageError: there is no such back end, or it does not support the device, dtype or max_alpha.
        UserError: the requested back end does not work on this machine.
        ValueError: shapes do not agree.
    """
    given = (means, quats, scales, opacities, features, viewmat, K)
    dtype = torch.float64 if any(array.dtype == torch.float64 for array in given) else torch.float32
    scene = tuple(array.to(dtype) for array in given)
    means, quats, scales, opacities, features, viewmat, K = scene
    name = backends.choose(backend, means.device, dtype, max_alpha)
    if name == "native" and _wants_gradients(means, quats, scales) and not _wants_gradients(viewmat, K):
        return _render_native(scene, height, width, max_alpha)
    with torch.autocast(means.device.type, enabled=False):
        if name != "gsplat":
            projection = project(means, quats, scales, viewmat, K, height, width)
            return composite(projection, opacities, features, height, width, max_alpha=max_alpha, backend=name)
        batch, flat = _flatten((means, 2), (quats, 2), (scales, 2), (opacities, 1), (features, 2), (viewmat, 2), (K, 2))
        out, alpha = cuda.render(*flat, height=height, width=width)
    return Rendered(out.reshape(*batch, *out.shape[1:]), alpha.reshape(*batch, *alpha.shape[1:]))


def _wants_gradients(*arrays: Tensor) -> bool:
    return torch.is_grad_enabled() and any(array.requires_grad for array in arrays)


def _render_native(scene: tuple[Tensor, ...], height: int, width: int, max_alpha: float) -> Rendered:
    """Project and composite in one call. This saves most of the time of small images.

    Its projection differs from `project` by rounding. So without gradients, `project` projects, and the result equals that of
    `composite` bit for bit.
    """
    batch = _batch(*((array.shape, array.device) for array in scene))
    return Rendered(*native.render(scene, batch, height, width, max_alpha))


Described = tuple[tuple[int, ...], torch.device]
"""Shape and device of an array. Results of checks are cached by them."""


@lru_cache(maxsize=64)
def _batch(*scene: Described) -> tuple[int, ...]:
    """What the leading dimensions of the first seven arguments of `render` broadcast to.

    Raises:
        ValueError: shapes or devices do not agree.
    """
    cloud, camera = scene[:5], scene[5:]
    _check("render", zip(cloud, ((3,), (4,), (3,), (), (-1,)), strict=True))
    for (shape, device), size in zip(camera, (4, 3), strict=True):
        if shape[-2:] != (size, size) or device != cloud[0][1]:
            raise ValueError(
                f"render needs a camera [*, {size}, {size}] on {cloud[0][1]}, got {list(shape)} on {device}"
            )
    lasts = (2, 2, 2, 1, 2, 2, 2)
    return np.broadcast_shapes(*(shape[:-last] for (shape, _), last in zip(scene, lasts, strict=True)))


def _check(what: str, arrays: Iterable[tuple[Described, tuple[int, ...]]]) -> None:
    """Raise ValueError unless each array is [*, N, …] with the given last dimensions. -1 stands for any positive length.

    The first array gives N and the device.
    """
    wanted = list(arrays)
    (first, device), last = wanted[0]
    count = first[-1 - len(last)] if len(first) > len(last) else 0
    for (shape, there), expected in wanted:
        right = (count, *(max((*shape[-1:], 1)) if last == -1 else last for last in expected))
        if tuple(shape[-1 - len(expected) :]) != right or there != device:
            raise ValueError(
                f"{what} needs arrays of {count} Gaussians on one device: expected [*, {count}, …] on "
                f"{device}, got {list(shape)} on {there}"
            )


def composite(
    projection: Projection,
    opacities: Tensor,
    features: Tensor,
    height: int,
    width: int,
    *,
    max_alpha: float = 0.999,
    backend: str = "auto",
) -> Rendered:
    """Composite Gaussians [*, N] that are already projected: the second half of `render`.

    Arguments and errors are those of `render`. The gsplat back end is not available here, because it projects by itself.
    """
    if backend == "gsplat":
        raise UsageError("gsplat cannot composite a given projection", "it projects by itself", try_="render(...)")
    if backend == "auto" and opacities.device.type == "cuda":
        backend = "torch"
    means2d, conics, depths, radii = projection
    name = backends.choose(backend, means2d.device, means2d.dtype, max_alpha)
    arrays = [(means2d, 2), (conics, 2), (depths, 1), (radii, 2), (opacities, 1), (features, 2)]
    lasts: tuple[tuple[int, ...], ...] = ((2,), (3,), (), (2,), (), (-1,))
    _check("composite", (((array.shape, array.device), last) for (array, _), last in zip(arrays, lasts, strict=True)))
    batch, flat = _flatten(*arrays)
    to = means2d.dtype
    flat_projection = Projection(flat[0], flat[1].to(to), flat[2].to(to), flat[3].int())
    draw = native.composite if name == "native" else tiled.composite
    out, alpha = draw(flat_projection, flat[4].to(to), flat[5].to(to), height, width, max_alpha)
    return Rendered(out.reshape(*batch, *out.shape[1:]), alpha.reshape(*batch, *alpha.shape[1:]))


def _flatten(*arrays: tuple[Tensor, int]) -> tuple[tuple[int, ...], list[Tensor]]:
    """Broadcast the leading dimensions against each other and flatten them. Each array has its number of last ones."""
    batch = np.broadcast_shapes(*(array.shape[:-kept] for array, kept in arrays))
    return batch, [
        array.expand(*batch, *array.shape[-kept:]).reshape(math.prod(batch), *array.shape[-kept:])
        for array, kept in arrays
    ]
