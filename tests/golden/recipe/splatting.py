"""Gaussian splatting as in gsplat 1.5.3: projection and compositing, dense and in float64."""

from __future__ import annotations

import torch
from torch import Tensor

EPS2D, NEAR, FAR, MAX_ALPHA, MIN_ALPHA, STOP = 0.3, 0.01, 1e10, 0.999, 1 / 255, 1e-4


def covariance(quats: Tensor, scales: Tensor) -> Tensor:
    """[..., 3, 3] of quaternions (w, x, y, z) of any length and of standard deviations."""
    w, x, y, z = (quats / quats.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    rotation = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    half = rotation * scales[..., None, :]
    return half @ half.transpose(-1, -2)


def project(means: Tensor, covars: Tensor, view: Tensor, camera: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
    """Means [N, 3] and covariances through one camera; size is (height, width)."""
    height, width = size
    place = means @ view[:3, :3].T + view[:3, 3]
    x, y, z = place.unbind(-1)
    fx, fy, cx, cy = camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2]
    wide, tall = 0.15 * width / fx, 0.15 * height / fy
    tx = z * torch.clamp(x / z, -(cx / fx + wide), (width - cx) / fx + wide)
    ty = z * torch.clamp(y / z, -(cy / fy + tall), (height - cy) / fy + tall)
    nothing = torch.zeros_like(z)
    jacobian = torch.stack(
        [torch.stack([fx / z, nothing, -fx * tx / z**2], -1), torch.stack([nothing, fy / z, -fy * ty / z**2], -1)], -2
    )
    turned = view[:3, :3] @ covars @ view[:3, :3].T
    flat = jacobian @ turned @ jacobian.transpose(-1, -2) + EPS2D * torch.eye(2).double()
    a, b, c = flat[..., 0, 0], flat[..., 0, 1], flat[..., 1, 1]
    det = a * c - b * b
    means2d = torch.stack([fx * x / z + cx, fy * y / z + cy], -1)
    radii = (3.33 * torch.stack([a, c], -1).sqrt()).ceil()
    inside = (means2d + radii > 0).all(-1) & (means2d - radii < torch.tensor([width, height])).all(-1)
    visible = inside & (z > NEAR) & (z < FAR)
    return {
        "means2d": means2d,
        "conics": torch.stack([c / det, -b / det, a / det], -1),
        "depths": z,
        "radii": radii * visible[..., None],
    }


def weights(seen: dict[str, Tensor], opacities: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """alpha * T of every Gaussian [H, W, N], and bool [H, W]: where a decision is so close that float32 may differ."""
    height, width = size
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centre = torch.stack([column, row], -1).double() + 0.5
    through = torch.ones(height, width).double()
    stopped, ambiguous = (torch.zeros(height, width, dtype=torch.bool) for _ in range(2))
    made: dict[int, Tensor] = {}
    for i in torch.argsort(seen["depths"], stable=True).tolist():
        if not (seen["radii"][i] > 0).all():
            made[i] = torch.zeros_like(through)
            continue
        dx, dy = (centre - seen["means2d"][i]).unbind(-1)
        a, b, c = seen["conics"][i]
        sigma = 0.5 * (a * dx**2 + c * dy**2) + b * dx * dy
        alpha = torch.clamp(opacities[i] * torch.exp(-sigma), max=MAX_ALPHA)
        ambiguous |= ~stopped & ((alpha * 255 - 1).abs() < 2e-3)
        counts = (sigma >= 0) & (alpha >= MIN_ALPHA)
        left = through * (1 - alpha)
        ambiguous |= ~stopped & counts & ((left / STOP - 1).abs() < 1e-2)
        stopped = stopped | (counts & (left <= STOP))
        taken = counts & ~stopped
        made[i] = torch.where(taken, alpha * through, 0.0)
        through = torch.where(taken, left, through)
    return torch.stack([made[i] for i in range(len(opacities))], -1), ambiguous
