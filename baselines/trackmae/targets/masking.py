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


def motion_bins(motion: Tensor, noise: Tensor, shown: int, share: float) -> Tensor:
    """Hide all tubes but a share of what is shown from the half that moves most, and the rest from the other.

    Arguments:
        motion: float [L], see `tube_motion`.
        noise: float [L], for the tubes in descending order of motion; of each half, the largest are shown.
        share: of the tubes that are shown; what a half has not is taken from the other.

    Returns:
        bool [L], True where a tube is hidden.
    """
    half = len(motion) // 2
    fast, slow = motion.argsort(descending=True).tensor_split([half])
    of_fast = max(min(int(share * shown), half), shown - len(slow))
    chosen = [fast[noise[:half].topk(of_fast).indices], slow[noise[half:].topk(shown - of_fast).indices]]
    return _all_but(torch.cat(chosen), len(motion))


def _all_but(chosen: Tensor, count: int) -> Tensor:
    return torch.ones(count, dtype=torch.bool, device=chosen.device).index_fill_(0, chosen, False)
