"""Registers each frame of a clip with the next: smooth displacements that align them, without a network or labels.

Gauss-Newton displaces a coarse grid of control points to minimise the difference between a frame and the warped next frame
(Lucas and Kanade, IJCAI 1981). It is robust and goes from blurred to sharp images. It is the self-supervised warm start
of pretraining (`vgmae_bench.videogmae.pretrain.PretrainConfig.registration_weight`). Our addition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.videogmae.gaussians.alignment import DAMPING, bending
from vgmae_bench.videogmae.gaussians.blur import blurred

REACH = 0.5
"""Standard deviation of a control point's influence, in units of the grid spacing."""
LARGEST_STEP = 2.0
"""Largest step of a control point per axis, in pixels."""


class Level(NamedTuple):
    """One Gauss-Newton step.

    Attributes:
        blur: standard deviation, in 64ths of the frame's width.
        stiffness: weight of the bending energy, relative to an evidence of 1 per control point.
        outlier: RGB error at which a pixel loses its influence (Geman and McClure, 1987).
    """

    blur: float
    stiffness: float
    outlier: float


LEVELS = (Level(3.0, 1.0, 1.0), Level(1.5, 0.3, 0.4), Level(0.5, 0.05, 0.15))


@dataclass(frozen=True, eq=False)
class Registration:
    """Displacements from each frame of a clip to the next.

    Attributes:
        control: [B, T - 1, across², 2], pixels, of control points on a square grid.
        size: side of the square frames in pixels.
    """

    control: Tensor
    size: int

    def follow(self, xy: Tensor) -> Tensor:
        """Positions [B, T, P, 2] of the points that are at xy [B, P, 2] in frame 0, in raster pixels."""
        points = _grid(self.control.shape[2], self.size, xy)
        path = [xy]
        for displaced in self.control.unbind(dim=1):
            path.append(path[-1] + _influence(path[-1], points) @ displaced)
        return torch.stack(path, dim=1)


def register(video: Tensor, across: int) -> Registration:
    """Register each frame with the previous one.

    Arguments:
        video: float32 [B, T, S, S, 3], RGB in [0, 1].
        across: number of control points along each side, at least 2.
    """
    B, T, size = video.shape[:3]
    points = _grid(across**2, size, video)
    bend = bending(points).dense()
    influence = _influence(_grid(size**2, size, video), points)  # [S², across²]
    displaced = video.new_zeros(B * (T - 1), 2, across**2)
    for level in LEVELS:
        frames = blurred(video, level.blur * size / 64)
        first, later = frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1)
        displaced = displaced + _step(first, later, displaced, influence, bend, level)
    return Registration(displaced.mT.reshape(B, T - 1, across**2, 2), size)


def _step(first: Tensor, later: Tensor, displaced: Tensor, influence: Tensor, bend: Tensor, level: Level) -> Tensor:
    """The step of the control displacements [B, 2, G] that makes the warped `later` more similar to `first`."""
    warped, inside = _warped(later, (displaced @ influence.mT).unflatten(-1, later.shape[1:3]))
    error = first - warped
    # The mean of both images makes the step second-order (Malis, 2004).
    across, down = torch.gradient((first + warped) / 2, dim=(2, 1))
    weight = inside / (1 + error.square().mean(dim=-1) / level.outlier**2) ** 2
    products = (across * across, across * down, down * down, across * error, down * error)
    sums = torch.stack([weight * product.sum(dim=-1) for product in products], dim=1).flatten(2) @ influence
    sums = sums / ((sums[:, 0] + sums[:, 2]).mean(dim=-1) / 2).clamp(min=1e-12)[:, None, None]
    energy = level.stiffness * bend.mT @ bend
    pull = sums[:, 3:] - displaced @ energy
    factor = torch.linalg.cholesky_ex(_coupled(sums[:, :3], energy)).L  # damped, so positive definite; "ex": unchecked
    step = torch.cholesky_solve(pull.flatten(1)[..., None], factor)
    return step.view_as(displaced).clamp(-LARGEST_STEP, LARGEST_STEP)


def _coupled(evidence: Tensor, energy: Tensor) -> Tensor:
    """Combine the evidence (xx, xy, yy) [B, 3, G] of each point and the bending energy [G, G]: [B, 2 G, 2 G]."""
    xx, xy, yy = evidence.diag_embed().unbind(dim=1)
    free = energy + DAMPING * torch.eye(len(energy), dtype=energy.dtype, device=energy.device)
    return torch.cat([torch.cat([xx + free, xy], dim=-1), torch.cat([xy, yy + free], dim=-1)], dim=-2)


def _grid(count: int, size: int, like: Tensor) -> Tensor:
    """[count, 2]: cell centres of a square grid over a frame of `size` pixels, in raster order. `count` is a square."""
    across = round(count**0.5)
    ticks = (torch.arange(across, dtype=like.dtype, device=like.device) + 0.5) * (size / across)
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1)


def _influence(xy: Tensor, points: Tensor) -> Tensor:
    """Weights [..., P, G] of control points [G, 2] on a square grid at positions xy [..., P, 2]."""
    apart = points[1, 0] - points[0, 0]
    return (-(torch.cdist(xy, points.expand(*xy.shape[:-2], -1, -1)) / (REACH * apart)).square() / 2).softmax(dim=-1)


def _warped(images: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Images [B, S, S, 3] sampled at pixels displaced by flow [B, 2, S, S], and [B, S, S]: 1 where the sample is inside."""
    size = images.shape[1]
    place = (_grid(size**2, size, flow).view(size, size, 2) + flow.movedim(1, -1)) * (2 / size) - 1
    read = F.grid_sample(images.permute(0, 3, 1, 2), place, padding_mode="border", align_corners=False)
    return read.permute(0, 2, 3, 1), (place.abs() < 1).all(dim=-1).to(images.dtype)
