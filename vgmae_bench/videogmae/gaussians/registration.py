"""How each frame of a clip lies over the next: smooth displacements that make them alike, without network or labels.

A coarse grid of control points is displaced by Gauss-Newton on the difference of a frame and the next one, warped (Lucas
and Kanade, IJCAI 1981), robustly, from blurred to sharp. It is the self-supervised warm start of pretraining
(`vgmae_bench.videogmae.pretrain.PretrainConfig.registration_weight`); an addition of ours.
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
"""Standard deviation of a control point's influence, in distances between neighbours."""
LARGEST_STEP = 2.0
"""Pixels a control point may move per axis in one step."""


class Level(NamedTuple):
    """One Gauss-Newton step.

    Attributes:
        blur: standard deviation, in 64ths of the frame's width.
        stiffness: weight of the bending energy, evidence being 1 per control point.
        outlier: RGB error from which a pixel loses its say (Geman and McClure, 1987).
    """

    blur: float
    stiffness: float
    outlier: float


LEVELS = (Level(3.0, 1.0, 1.0), Level(1.5, 0.3, 0.4), Level(0.5, 0.05, 0.15))


@dataclass(frozen=True, eq=False)
class Registration:
    """Displacements from each frame of a clip to the next.

    Attributes:
        control: [B, T - 1, across², 2] pixels, of control points on a square grid.
        size: of the square frames, pixels.
    """

    control: Tensor
    size: int

    def follow(self, xy: Tensor) -> Tensor:
        """Raster positions [B, T, P, 2] of what is at xy [B, P, 2] in frame 0."""
        points = _grid(self.control.shape[2], self.size, xy)
        path = [xy]
        for displaced in self.control.unbind(dim=1):
            path.append(path[-1] + _influence(path[-1], points) @ displaced)
        return torch.stack(path, dim=1)


def register(video: Tensor, across: int) -> Registration:
    """Register each frame with the one before it.

    Arguments:
        video: float32 [B, T, S, S, 3] RGB in [0, 1].
        across: control points along each side, at least 2.
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
    """What to add to control displacements [B, 2, G] for `later`, warped by them, to look more like `first`."""
    warped, inside = _warped(later, (displaced @ influence.mT).unflatten(-1, later.shape[1:3]))
    error = first - warped
    across, down = torch.gradient((first + warped) / 2, dim=(2, 1))  # of both: second order in the step (Malis, 2004)
    weight = inside / (1 + error.square().mean(dim=-1) / level.outlier**2) ** 2
    products = (across * across, across * down, down * down, across * error, down * error)
    sums = torch.stack([weight * product.sum(dim=-1) for product in products], dim=1).flatten(2) @ influence
    sums = sums / ((sums[:, 0] + sums[:, 2]).mean(dim=-1) / 2).clamp(min=1e-12)[:, None, None]
    energy = level.stiffness * bend.mT @ bend
    pull = sums[:, 3:] - displaced @ energy
    step = torch.cholesky_solve(pull.flatten(1)[..., None], torch.linalg.cholesky(_coupled(sums[:, :3], energy)))
    return step.view_as(displaced).clamp(-LARGEST_STEP, LARGEST_STEP)


def _coupled(evidence: Tensor, energy: Tensor) -> Tensor:
    """Evidence (xx, xy, yy) [B, 3, G] of each point on its own and bending energy [G, G], as one matrix [B, 2 G, 2 G]."""
    xx, xy, yy = evidence.diag_embed().unbind(dim=1)
    free = energy + DAMPING * torch.eye(len(energy), dtype=energy.dtype, device=energy.device)
    return torch.cat([torch.cat([xx + free, xy], dim=-1), torch.cat([xy, yy + free], dim=-1)], dim=-2)


def _grid(count: int, size: int, like: Tensor) -> Tensor:
    """[count, 2] centres of a square grid of cells over a frame of `size` pixels, raster order; `count` is a square."""
    across = round(count**0.5)
    ticks = (torch.arange(across, dtype=like.dtype, device=like.device) + 0.5) * (size / across)
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1)


def _influence(xy: Tensor, points: Tensor) -> Tensor:
    """Shares [..., P, G] of control points [G, 2] on a square grid in what happens at positions xy [..., P, 2]."""
    apart = points[1, 0] - points[0, 0]
    return (-(torch.cdist(xy, points.expand(*xy.shape[:-2], -1, -1)) / (REACH * apart)).square() / 2).softmax(dim=-1)


def _warped(images: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Images [B, S, S, 3] read at every pixel's place displaced by flow [B, 2, S, S], and [B, S, S], 1 where that is inside."""
    size = images.shape[1]
    place = (_grid(size**2, size, flow).view(size, size, 2) + flow.movedim(1, -1)) * (2 / size) - 1
    read = F.grid_sample(images.permute(0, 3, 1, 2), place, padding_mode="border", align_corners=False)
    return read.permute(0, 2, 3, 1), (place.abs() < 1).all(dim=-1).to(images.dtype)
