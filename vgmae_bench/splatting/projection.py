"""Projects 3-D Gaussians to 2-D: the EWA projection of gsplat 1.5.3 in differentiable torch code."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vgmae_bench.devices import constant

ALPHA_MIN = 1 / 255
"""Gaussians with a smaller alpha at a pixel are skipped there."""
T_STOP = 1e-4
"""Compositing of a pixel stops before the Gaussian that would reduce the transmittance to this or less."""
EXTENT = 3.33
"""Radius of a Gaussian in standard deviations. exp(-EXTENT²/2) < ALPHA_MIN, so nothing visible is cut off."""


class Projection(NamedTuple):
    """Gaussians on the image plane.

    Attributes:
        means2d: [*, N, 2], centres in raster pixels (x, y); the centre of the first pixel is (0.5, 0.5).
        conics: [*, N, 3], upper triangle (xx, xy, yy) of the inverse 2-D covariance, in 1/px².
        depths: [*, N], z in the camera frame.
        radii: int32 [*, N, 2], half width and half height, in pixels, of the box that holds all visible pixels. 0 for
            culled Gaussians: nearer than `near`, farther than `far`, or outside the image. means2d and conics of Gaussians
            outside `near` to `far` are finite but meaningless.
    """

    means2d: Tensor
    conics: Tensor
    depths: Tensor
    radii: Tensor

    @property
    def visible(self) -> Tensor:
        """bool [*, N]: the Gaussian is not culled."""
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

    Leading dimensions broadcast against each other, also those of the camera. For example, scales that are constant over
    time can be [B, 1, N, 3] with means [B, T, N, 3].

    Arguments:
        means: [*, N, 3], centres in world units.
        quats: [*, N, 4], rotations (w, x, y, z), of any length; normalised here.
        scales: [*, N, 3], standard deviations along the rotated axes, in world units.
        viewmat: [4, 4] or [*, 4, 4], world to camera (x right, y down, z forward).
        K: [3, 3] or [*, 3, 3], intrinsics in pixels; skew is ignored.
        height, width: size of the image in pixels. Culling and the clamp of the Jacobian depend on it.
        eps2d: variance added to both image axes, in px².
        near, far: the range of depths that is drawn.

    Returns:
        The Gaussians on the image plane, in the dtype of the arguments.

    All tensors get gradients. These are never NaN, wherever a Gaussian lies.
    """
    rotation, translation = viewmat[..., :3, :3], viewmat[..., :3, 3]
    camera = means @ rotation.transpose(-1, -2) + translation[..., None, :]
    depths = camera[..., 2]
    in_range = (depths > near) & (depths < far)
    # Before any division, because a masked quotient would still have a NaN gradient.
    z = torch.where(in_range, depths, 1.0)

    focal = torch.stack([K[..., 0, 0], K[..., 1, 1]], dim=-1)[..., None, :]
    centre = K[..., None, :2, 2]
    size = constant((width, height), means)
    ray = camera[..., :2] / z[..., None]
    means2d = focal * ray + centre

    # For Gaussians outside the image, the projection is linearised at most 15 % of the image's size beyond its border.
    # Far outside, the linearisation would explode.
    margin = 0.15 * size / focal
    clamped = ray.clamp(min=-centre / focal - margin, max=(size - centre) / focal + margin)
    jacobian = rotation[..., None, :2, :] - clamped[..., None] * rotation[..., None, 2:, :]  # [*, N, 2, 3], J @ R z / f
    root = ((focal / z[..., None])[..., None] * jacobian) @ (_rotations(quats) * scales[..., None, :])
    x, y = root.unbind(dim=-2)  # covariance = root @ rootᵀ
    xx, xy, yy = (x * x).sum(-1), (x * y).sum(-1), (y * y).sum(-1)
    # Lagrange's identity: |x|²|y|² - (x·y)² = |x × y|². The difference would lose its digits for thin Gaussians.
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
    """Rotation matrices [*, 3, 3] of quaternions (w, x, y, z) [*, 4] of any length."""
    w, x, y, z = normalize(quats, dim=-1).unbind(dim=-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
