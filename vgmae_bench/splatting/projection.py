"""3-D Gaussians to 2-D ones: the EWA projection of gsplat 1.5.3 in plain, differentiable torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

ALPHA_MIN = 1 / 255
"""What is fainter is not drawn."""
T_STOP = 1e-4
"""A pixel ends before the Gaussian that would leave no more than this of the light."""
EXTENT = 3.33
"""Standard deviations after which a Gaussian ends: exp(-EXTENT²/2) < ALPHA_MIN, so nothing visible is cut off."""


class Projection(NamedTuple):
    """Gaussians on the image plane.

    Attributes:
        means2d: [*, N, 2] centres, raster pixels (x, y).
        conics: [*, N, 3] upper triangle (xx, xy, yy) of the inverse 2-D covariance, 1/px².
        depths: [*, N] z in the camera frame.
        radii: int32 [*, N, 2] half width and height of the box that holds all visible pixels; 0 where the Gaussian is
            culled (behind `near`, beyond `far`, or outside of the image). means2d and conics of Gaussians that are not
            between `near` and `far` are finite but mean nothing.
    """

    means2d: Tensor
    conics: Tensor
    depths: Tensor
    radii: Tensor

    @property
    def visible(self) -> Tensor:
        """bool [*, N]: not culled."""
        return (self.radii > 0).all(dim=-1)


def project(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    viewmat: Tensor,
    K: Tensor,
    height: int,
    width: int,
    *,
    eps2d: float = 0.3,
    near: float = 0.01,
    far: float = 1e10,
) -> Projection:
    """Project Gaussians through a pinhole camera (Zwicker et al., EWA Splatting, 2002; numerics of gsplat 1.5.3).

    Leading dimensions broadcast against each other, those of the camera too: scales that do not change over time may
    be given as [B, 1, N, 3] beside means [B, T, N, 3].

    Arguments:
        means: [*, N, 3] centres, world.
        quats: [*, N, 4] rotations (w, x, y, z); normalised here.
        scales: [*, N, 3] standard deviations along the rotated axes, world.
        viewmat: [4, 4] or [*, 4, 4], world to camera.
        K: [3, 3] or [*, 3, 3] intrinsics in pixels; a skew is ignored.
        height, width: of the image, pixels; they matter to culling and to the clamp below.
        eps2d: variance added to both image axes, px².
        near, far: range of depths that is drawn.

    Gradients reach all tensors and are free of NaN wherever a Gaussian lies.
    """
    rotation, translation = viewmat[..., :3, :3], viewmat[..., :3, 3]
    camera = means @ rotation.transpose(-1, -2) + translation[..., None, :]
    depths = camera[..., 2]
    in_range = (depths > near) & (depths < far)
    z = torch.where(in_range, depths, 1.0)  # before any division: a masked quotient would still have a NaN gradient

    focal = torch.stack([K[..., 0, 0], K[..., 1, 1]], dim=-1)[..., None, :]
    centre = K[..., None, :2, 2]
    size = torch.tensor([width, height], dtype=means.dtype, device=means.device)
    ray = camera[..., :2] / z[..., None]
    means2d = focal * ray + centre

    # The projection is linearised where the ray leaves the image by at most 15 % of its size: far outside of it the
    # linearisation would explode.
    margin = 0.15 * size / focal
    clamped = ray.clamp(min=-centre / focal - margin, max=(size - centre) / focal + margin)
    jacobian = rotation[..., None, :2, :] - clamped[..., None] * rotation[..., None, 2:, :]  # [*, N, 2, 3], J @ R z / f
    root = ((focal / z[..., None])[..., None] * jacobian) @ (_rotations(quats) * scales[..., None, :])
    x, y = root.unbind(dim=-2)  # covariance = root @ rootᵀ
    xx, xy, yy = (x * x).sum(-1), (x * y).sum(-1), (y * y).sum(-1)
    # Lagrange's identity: |x|²|y|² - (x·y)² = |x × y|². The difference would cancel for thin Gaussians.
    determinant = torch.linalg.cross(x, y).square().sum(-1) + eps2d * (xx + yy) + eps2d**2
    xx, yy = xx + eps2d, yy + eps2d
    conics = torch.stack([yy, -xy, xx], dim=-1) / determinant[..., None]

    with torch.no_grad():
        radii = torch.ceil(EXTENT * torch.stack([xx, yy], dim=-1).sqrt())
        inside = ((means2d + radii > 0) & (means2d - radii < size)).all(dim=-1)
        radii = torch.where((in_range & inside)[..., None], radii, 0.0).int()
    batch = radii.shape[:-1]
    return Projection(means2d.expand(*batch, 2), conics.expand(*batch, 3), depths.expand(batch), radii)


def _rotations(quats: Tensor) -> Tensor:
    """[*, 4] quaternions (w, x, y, z), any length → [*, 3, 3] rotation matrices."""
    w, x, y, z = normalize(quats, dim=-1).unbind(dim=-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
