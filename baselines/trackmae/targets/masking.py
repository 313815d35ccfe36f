"""Which tubes are hidden: at random, or so many of what moves most and of what moves least.

TrackMAE's motion-aware masking sorts tubes by how far their points go and draws from both halves (rvandeghen/TrackMAE
3e7db78, "cotracker_motion_bins"). At a share of one half every tube is shown as often as with random masking.
"""

from __future__ import annotations

import torch
from torch import Tensor


def shown_tubes(tubes: int, mask_ratio: float) -> int:
    """How many tubes are shown: all but int(mask_ratio * tubes)."""
    return tubes - int(mask_ratio * tubes)


def tube_motion(xy: Tensor, grid: int) -> Tensor:
    """How far the points of each patch go per step, float [B, grid * grid] in the unit of `xy`.

    Arguments:
        xy: float [B, P, S, 2], P points on a square lattice, row by row: one a patch, or a square of them.
    """
    lengths = xy.diff(dim=2).norm(dim=3).mean(dim=2)
    points = round(lengths.shape[1] ** 0.5) // grid
    motion: Tensor = lengths.unflatten(1, (grid, points, grid, points)).mean(dim=(2, 4)).flatten(1)
    return motion


def random_tubes(noise: Tensor, shown: int) -> Tensor:
    """bool [L], True where a tube is hidden; those with the largest noise are shown."""
    return _all_but(noise.topk(shown).indices, len(noise))


def wanted_of_halves(shown: int, share: float) -> tuple[int, int]:
    """How many of the tubes to show are wanted of the half that moves most, and how many of the other.

    Arguments:
        shown: how many tubes are to be shown.
        share: of those, from the half that moves most; the number is rounded down.
    """
    of_fast = int(share * shown)
    return of_fast, shown - of_fast


def motion_bins(motion: Tensor, noise: Tensor, shown: int, share: float) -> Tensor:
    """Hide all tubes but a share of what is shown from the half that moves most, and the rest from the other.

    A half that has fewer tubes than are wanted of it is shown whole, and the other half does not make up for it, so fewer
    than `shown` tubes are shown. The official code draws what is missing from the same half with replacement, which
    shows nothing new. This can only happen where more than half of the tubes are shown.

    Arguments:
        motion: float [L], see `tube_motion`.
        noise: float [L], for the tubes in descending order of motion; of each half, the largest are shown.
        shown: how many tubes are wanted.
        share: of the tubes that are wanted, from the half that moves most.

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
