"""Chooses the hidden tubes: at random, or by motion.

TrackMAE's motion-aware masking sorts tubes by the motion of their points and draws visible tubes from both halves
(rvandeghen/TrackMAE 3e7db78, "cotracker_motion_bins"). With a share of one half, every tube is visible as often as with
random masking.
"""

from __future__ import annotations

import torch
from torch import Tensor


def shown_tubes(tubes: int, mask_ratio: float) -> int:
    """The number of visible tubes: all except int(mask_ratio * tubes)."""
    return tubes - int(mask_ratio * tubes)


def tube_motion(xy: Tensor, grid: int) -> Tensor:
    """Mean motion of each patch's points per step, float [B, grid * grid], in the unit of `xy`.

    Arguments:
        xy: float [B, P, S, 2], P points on a square lattice in raster order: one per patch, or a square number per patch.
    """
    lengths = xy.diff(dim=2).norm(dim=3).mean(dim=2)
    points = round(lengths.shape[1] ** 0.5) // grid
    motion: Tensor = lengths.unflatten(1, (grid, points, grid, points)).mean(dim=(2, 4)).flatten(1)
    return motion


def random_tubes(noise: Tensor, shown: int) -> Tensor:
    """bool [L], True where a tube is hidden. The tubes with the largest noise are visible."""
    return _all_but(noise.topk(shown).indices, len(noise))


def wanted_of_halves(shown: int, share: float) -> tuple[int, int]:
    """The numbers of visible tubes from the half with the most motion, and from the other half.

    Arguments:
        shown: number of visible tubes.
        share: share of them from the half with the most motion; the number is rounded down.
    """
    of_fast = int(share * shown)
    return of_fast, shown - of_fast


def motion_bins(motion: Tensor, noise: Tensor, shown: int, share: float) -> Tensor:
    """Hide all tubes, except for a share of visible tubes from the half with the most motion, and the rest from the other half.

    If a half has fewer tubes than requested, all of it is visible. The other half does not compensate, so fewer than `shown`
    tubes are visible. The official code then draws from the same half with replacement, which shows nothing new. This can
    happen only if more than half of the tubes are visible.

    Arguments:
        motion: float [L]; see `tube_motion`.
        noise: float [L], for the tubes in descending order of motion. In each half, the tubes with the largest noise are
            visible.
        shown: requested number of visible tubes.
        share: share of them from the half with the most motion.

    Returns:
        bool [L], True where a tube is hidden.
    """
    half = len(motion) // 2
    chosen = []
    halves = motion.argsort(descending=True).tensor_split([half])
    for tubes, draws, count in zip(halves, noise.tensor_split([half]), wanted_of_halves(shown, share), strict=True):
        chosen.append(tubes[draws.topk(min(count, len(tubes))).indices])
    return _all_but(torch.cat(chosen), len(motion))


def _all_but(chosen: Tensor, count: int) -> Tensor:
    return torch.ones(count, dtype=torch.bool, device=chosen.device).index_fill_(0, chosen, False)
