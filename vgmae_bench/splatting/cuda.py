"""The gsplat back end: gsplat's CUDA kernels (nerfstudio-project/gsplat, Apache-2.0). float32.

gsplat compiles its kernels on their first call, which takes about a minute. So this module imports gsplat only on use.
"""

from __future__ import annotations

from importlib import metadata

import torch
from torch import Tensor


def max_alpha() -> float:
    """The largest alpha of one Gaussian in the installed gsplat. It is a constant of gsplat's kernels: 0.99 since 1.6."""
    major, minor = metadata.version("gsplat").split(".")[:2]
    return 0.999 if (int(major), int(minor)) < (1, 6) else 0.99


def render(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    features: Tensor,
    viewmat: Tensor,
    K: Tensor,
    *,
    height: int,
    width: int,
) -> tuple[Tensor, Tensor]:
    """Like `vgmae_bench.splatting.render`, with exactly one leading dimension [I] on all arguments, also the camera's.

    gsplat treats the images as a batch of scenes with one camera each, so one call renders all.
    """
    if means.shape[0] * means.shape[1] == 0:  # gsplat's kernels cannot start without Gaussians
        empty = (opacities.sum() + features.sum()) * 0
        out = features.new_zeros(len(features), height, width, features.shape[-1]) + empty
        return out, out.new_zeros(out.shape[:-1]) + empty
    import gsplat

    scene = (means, quats, scales, opacities, features, viewmat[:, None], K[:, None])
    arrays = [array.contiguous() for array in scene]
    out, alpha, _ = gsplat.rasterization(*arrays, width, height, packed=False, absgrad=False)
    return out[:, 0], alpha[:, 0, :, :, 0]


def probe() -> None:
    """Render one Gaussian forward and backward. Any fault of the installation raises an error here."""
    if not torch.cuda.is_available():
        raise RuntimeError("torch sees no CUDA device")
    device = torch.device("cuda")
    mean = torch.zeros(1, 1, 3, device=device, requires_grad=True)
    quat = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]], device=device)
    one = torch.ones(1, 1, device=device)
    view = torch.eye(4, device=device)[None].clone()
    view[:, 2, 3] = 8
    K = torch.tensor([[[8.0, 0.0, 8.5], [0.0, 8.0, 8.5], [0.0, 0.0, 1.0]]], device=device)
    _, alpha = render(mean, quat, one.expand(1, 1, 3), one, one[..., None], view, K, height=17, width=17)
    torch.autograd.grad(alpha.sum(), mean)
    if abs(float(alpha[0, 8, 8]) - max_alpha()) > 1e-3:
        raise RuntimeError("gsplat renders a single Gaussian wrongly")
