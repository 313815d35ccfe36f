"""Gauss-Newton on motion: finds the displacements of a frame's Gaussians that explain the frame with the least bending.

Gradient descent treats each Gaussian separately. In a flat region only the borders show motion, so the region needs hundreds
of steps to move. Here, each step is one linear solve that couples all Gaussians (Lucas and Kanade, IJCAI 1981, on rendered
images). The coupling is that of Horn and Schunck, 1981, but with second differences, so that affine motion costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from vgmae_bench.devices import constant
from vgmae_bench.splatting import project, render
from vgmae_bench.videogmae.gaussians.gaussians import Backend, Camera, Gaussians, composite
from vgmae_bench.videogmae.gaussians.motion import NEAR

NEIGHBOURS = 8
RIDGE = 1e-3
"""Ridge of the affine fit, for neighbours on a line or in one place; relative to their mean distance."""
DAMPING = 0.01
"""Levenberg-Marquardt damping, relative to the mean evidence per Gaussian."""
LEAST_EVIDENCE = 1e-3
"""Threshold on the mean evidence per Gaussian, in squared RGB units: gradients of about two grey levels per pixel. Smaller
evidence is not scaled up, because noise would move the Gaussians. Videos have about 0.02 to 0.05."""
LARGEST_STEP = 3.0
"""Largest step of a Gaussian per axis, in pixels. The linearisation is not valid beyond it."""
SOLVER_STEPS = 6
"""Number of conjugate-gradient iterations."""
TEAR = 0.1
"""Bending in pixels beyond which neighbours count as torn apart. Torn neighbours are much less stiff."""


@dataclass(frozen=True, eq=False)
class Bending:
    """The sparse matrix B [G, G] that measures deviation from affine motion: (B u)_i = u_i - Σ shares_ik u_near(i,k).

    Attributes:
        near: int64 [G, K], the neighbours of each Gaussian.
        shares: [G, K], the weights of the neighbours; each row sums to 1.
    """

    near: Tensor
    shares: Tensor

    def bend(self, u: Tensor) -> Tensor:
        """u Bᵀ for rows u [2, G]: deviation of each displacement from the affine motion of its neighbours."""
        return u - (u[:, self.near] * self.shares).sum(dim=-1)

    def spread(self, bent: Tensor) -> Tensor:
        """v B for rows v [2, G]: the transpose of `bend`."""
        pulls = (bent[:, :, None] * self.shares).flatten(1)
        return bent - torch.zeros_like(bent).index_add(1, self.near.flatten(), pulls)

    def dense(self) -> Tensor:
        """B as a dense matrix, [G, G]."""
        identity = torch.eye(len(self.near), dtype=self.shares.dtype, device=self.shares.device)
        return identity.scatter_add(1, self.near, -self.shares)

    @cached_property
    def squared(self) -> Tensor:
        """Bᵀ B as a dense matrix, [G, G]: the sum of the outer products of B's rows, which have K + 1 numbers each."""
        itself = torch.arange(len(self.near), device=self.near.device)[:, None]
        where = torch.cat([itself, self.near], dim=1)
        rows = torch.cat([torch.ones_like(self.shares[:, :1]), -self.shares], dim=1)
        squared = self.shares.new_zeros(len(self.near), len(self.near))
        return squared.index_put_(
            (where[:, :, None], where[:, None, :]), rows[:, :, None] * rows[:, None, :], accumulate=True
        )


def bending(xy: Tensor) -> Bending:
    """B for positions `xy` [G, 2]. (B u)_i is the deviation of u_i from the affine motion of its 8 nearest neighbours at i.

    If the displacements of all Gaussians are affine, B u is 0, except for the ridge where neighbours are degenerate.
    """
    if len(xy) < 2:  # a Gaussian is its own neighbour, so nothing bends
        return Bending(torch.zeros(len(xy), 1, dtype=torch.int64, device=xy.device), torch.ones_like(xy[:, :1]))
    count = min(NEIGHBOURS, len(xy) - 1)
    distances = torch.cdist(xy, xy).fill_diagonal_(-1)
    near = distances.topk(count + 1, largest=False).indices[:, 1:]
    offsets = xy[near] - xy[:, None]
    offsets = offsets / offsets.norm(dim=-1).mean(dim=1).clamp(min=1e-6)[:, None, None]
    design = torch.cat([torch.ones_like(offsets[..., :1]), offsets], dim=-1)
    ridge = RIDGE * torch.diag(constant((0.0, 1.0, 1.0), xy))
    # "ex" does not wait for a check that the matrix is regular.
    return Bending(near, torch.linalg.solve_ex(design.mT @ design + ridge, design.mT).result[:, 0])


class Stiffness:
    """The bending energy strength · Σ TEAR² log(1 + |(B u)_i|² / TEAR²) of displacements u [G, 2]. It tolerates tears.

    This is the Lorentzian of Black and Anandan (1996). Motion is smooth except at the borders of independent motions.

    Arguments:
        bending: B.
        strength: the factor of the energy.
    """

    def __init__(self, bending: Bending, strength: float) -> None:
        self._bending, self._strength = bending, strength
        damped = strength * bending.squared
        damped.diagonal().add_(1)
        self._inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))  # the preconditioner, without tears

    def solve(self, evidence: Tensor, pull: Tensor, displaced: Tensor) -> Tensor:
        """The step d [G, 2] that minimises dᵀ A d - 2 dᵀ b + energy of u + d, approximately, by conjugate gradients.

        A quadratic that touches the energy at u replaces it.

        Arguments:
            evidence: A, [G, 2, 2], with a mean of about 1.
            pull: b, [G, 2], pixels.
            displaced: u, [G, 2], pixels: the displacement so far.
        """
        # All arrays are rows of G numbers. Products with the square matrix are several times faster from that side.
        evidence, displaced = evidence.permute(1, 2, 0), displaced.mT
        stiff = self._strength / (1 + self._bending.bend(displaced).square().sum(dim=0) / TEAR**2)

        def unbend(u: Tensor) -> Tensor:
            return self._bending.spread(self._bending.bend(u) * stiff)

        rest = pull.mT - unbend(displaced)
        step = torch.zeros_like(rest)
        towards = preconditioned = rest @ self._inverse
        size = (rest * preconditioned).sum()
        for _ in range(SOLVER_STEPS):
            image = (evidence * towards).sum(dim=1) + unbend(towards)
            length = size / (towards * image).sum().clamp(min=1e-20)
            step, rest = step + length * towards, rest - length * image
            preconditioned = rest @ self._inverse
            before, size = size, (rest * preconditioned).sum()
            towards = preconditioned + size / before.clamp(min=1e-20) * towards
        return step.mT


class Stage(NamedTuple):
    """Parameters of one stage of alignment, coarse or fine.

    Attributes:
        stiffness: the cost of bending.
        outlier: in RGB units; see `align`.
        bias: [G, 2], pixels; see `bias`.
    """

    stiffness: Stiffness
    outlier: float
    bias: Tensor


def align(
    gaussians: Gaussians, camera: Camera, target: Tensor, unbent: Tensor, stage: Stage, backend: Backend
) -> Tensor:
    """One Gauss-Newton step on the image-plane positions of one frame's Gaussians (B = T = 1). Depths do not change.

    The data term is the squared reconstruction error with the weights of Geman and McClure (1987). A pixel whose error is much
    larger than the stage's `outlier` has no influence, for example where something new appears.

    Arguments:
        target: [H, W, 3], the real frame, RGB in [0, 1].
        unbent: [G, 2], pixels: the Gaussians' centres in another frame. Bending is measured from there.

    Returns:
        [G, 3]: the step of the means in world units.
    """
    means = gaussians.means[0, 0]
    projection = project(means, gaussians.quats[0], gaussians.scales[0], *camera, near=NEAR)
    evidence, pull = _evidence(gaussians, camera, target, stage.outlier, backend)
    pull = pull - (evidence @ stage.bias[..., None])[..., 0]
    step = stage.stiffness.solve(evidence, pull, projection.means2d - unbent).clamp(-LARGEST_STEP, LARGEST_STEP)
    focal = torch.stack([camera.K[0, 0], camera.K[1, 1]])
    flat = step * projection.depths.clamp(min=NEAR)[:, None] / focal  # the camera has no rotation
    return torch.cat([flat, torch.zeros_like(flat[:, :1])], dim=1)


def bias(gaussians: Gaussians, camera: Camera, target: Tensor, outlier: float, backend: Backend) -> Tensor:
    """[G, 2], pixels: the step that each Gaussian (B = T = 1) would take in the frame to which it was fitted.

    The rest of the reconstruction error in that frame causes this step. It is not motion, so it is subtracted in other frames.
    """
    evidence, pull = _evidence(gaussians, camera, target, outlier, backend)
    moved: Tensor = torch.linalg.solve(evidence, pull)
    return moved


def _evidence(
    gaussians: Gaussians, camera: Camera, target: Tensor, outlier: float, backend: Backend
) -> tuple[Tensor, Tensor]:
    """The normal equations of every Gaussian alone: A [G, 2, 2] and b [G, 2]. The mean of A is about 1, or less.

    A Gaussian sums image gradients and errors over its visible pixels, weighted by its rendering weights. These sums are the
    gradient, with respect to the features, of a rendering of arbitrary features.
    """
    means, quats, scales, opacities = (part[0, 0] for part in gaussians.cloud)
    features = means.new_zeros(len(means), 5, requires_grad=True)
    with torch.enable_grad():
        shown = torch.cat([gaussians.colors[0, 0], features], dim=-1)
        rendered = render(means, quats, scales, opacities, shown, *camera, backend=backend)
        image = composite(rendered.features[..., :3], rendered.alpha, "over").detach()
        gathered = rendered.features[..., 3:]
    error = target - image
    across, down = _gradients((image + target) / 2)  # second order in the step (Malis, 2004)
    weight = (1 + error.square().mean(dim=-1) / outlier**2) ** -2
    products = (across * across, across * down, down * down, -across * error, -down * error)
    wanted = torch.stack([weight * product.sum(dim=-1) for product in products], dim=-1)
    sums = torch.autograd.grad(gathered, features, wanted)[0]
    xx, xy, yy = sums[:, :3].unbind(dim=-1)
    scale = ((xx + yy).mean() / 2).clamp(min=LEAST_EVIDENCE)
    evidence = torch.stack([xx, xy, xy, yy], dim=-1).unflatten(-1, (2, 2)) / scale
    return evidence + DAMPING * torch.eye(2, device=target.device), sums[:, 3:] / scale


def _gradients(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of an image [H, W, C], along x and along y; one-sided halves at the borders."""
    padded = pad(image.permute(2, 0, 1)[None], (1, 1, 1, 1), mode="replicate")[0].permute(1, 2, 0)
    return (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
