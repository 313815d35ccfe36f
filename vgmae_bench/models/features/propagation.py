"""Finds points frame by frame, by matching with the query's frame or by propagation from frame to frame.

Recurrent propagation is from Jabri, Owens and Efros, Space-Time Correspondence as a Contrastive Random Walk, NeurIPS 2020:
each cell takes the labels of similar cells in the query's frame and in the previous frames.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vgmae_bench.models.features.matching import SoftArgmax, locate, mass_centre, sample, similarity, splat


class Found(NamedTuple):
    """Positions [P, 2] in a frame, in pixels, and the cosine similarity [P] to the query."""

    xy: Tensor
    score: Tensor


class Propagation(Protocol):
    """Tracks P points from their query's frame in one direction."""

    def step(self, query: Tensor, frame: Tensor) -> Found:
        """The points in the next frame.

        Arguments:
            query, frame: maps [h, w, C] of the query's frame and of the next frame, from the same pass of the encoder.
        """


class Direct:
    """Matches every frame with the query's frame.

    Between cells, a position is only as accurate as the features around it. So the point is also searched near its position
    in the query's frame, and the error found there is subtracted. A static point thus stays.

    Arguments:
        xy: [P, 2], positions in the query's frame, pixels.
        prior: standard deviation of the motion per frame, in pixels; 0: no prior.
    """

    def __init__(self, xy: Tensor, cell: float, how: SoftArgmax, prior: float = 0.0) -> None:
        self._start = self._last = xy
        self._cell, self._how, self._prior = cell, how, prior

    def step(self, query: Tensor, frame: Tensor) -> Found:
        """Find the points of the query frame in the next frame; both are features [h, w, C]."""
        rows = sample(query, self._start, self._cell)
        miss = locate(similarity(rows, query), self._cell, self._how, near=self._start) - self._start
        scores = similarity(rows, frame)
        if self._prior:
            scores = scores - self._far(frame) / self._how.beta
        self._last = locate(scores, self._cell, self._how) - miss
        return _found(rows, frame, self._last, self._cell)

    def _far(self, frame: Tensor) -> Tensor:
        """[P, h, w]: the negative logarithm of the prior at each cell."""
        height, width = frame.shape[:2]
        column, row = (torch.arange(size, device=frame.device) + 0.5 for size in (width, height))
        x, y = self._last[:, :, None].unbind(1)
        square = (column * self._cell - x)[:, None] ** 2 + (row * self._cell - y)[:, :, None] ** 2
        return square / (2 * self._prior**2)


class Recurrent:
    """Every cell takes labels from similar earlier cells. A point is at the centre of its label.

    If a label is lost, its point stays at its last position, with a score of -1. The defaults are the published method's.

    Arguments:
        xy: [P, 2], positions in the query's frame, pixels.
        cell: side of a cell in pixels.
        radius: distance in cells from the strongest label; farther labels do not count for the position.
        frames: number of previous frames that give labels, in addition to the query's frame.
        topk: number of most similar cells, over all of these frames, that give a cell its labels.
        tau: temperature of their weights.
        reach: radius in cells; farther cells of previous frames give no labels. Cells of the query's frame have no limit.
    """

    def __init__(
        self, xy: Tensor, cell: float, radius: float, frames: int, topk: int, tau: float, reach: float
    ) -> None:
        self._start = self._last = xy
        self._cell, self._radius, self._topk, self._tau, self._reach = cell, radius, topk, tau, reach
        self._context: deque[tuple[Tensor, Tensor]] = deque(maxlen=frames)

    def step(self, query: Tensor, frame: Tensor) -> Found:
        """Find the points of the query frame in the next frame; both are features [h, w, C]."""
        height, width = frame.shape[:2]
        first = splat(self._start, height, width, self._cell).flatten(1)
        labels = torch.cat([first, *(label for _, label in self._context)], dim=1)
        scores = similarity(frame.flatten(0, 1), query).flatten(1)
        if self._context:
            near = self._near(height, width, frame.device)
            last = [similarity(frame.flatten(0, 1), maps).flatten(1) for maps, _ in self._context]
            scores = torch.cat([scores, *(some.where(near, -torch.inf) for some in last)], dim=1)
        best = scores.topk(min(self._topk, scores.shape[1]), dim=1)
        shares = (best.values / self._tau).softmax(dim=1)
        handed = torch.zeros_like(first)
        for share, source in zip(shares.unbind(1), best.indices.unbind(1), strict=True):
            handed += share * labels[:, source]
        self._context.append((frame, handed))
        xy, there = mass_centre(handed.view(-1, height, width), self._cell, self._radius)
        self._last = xy.where(there[:, None], self._last)
        found = _found(sample(query, self._start, self._cell), frame, self._last, self._cell)
        return Found(found.xy, found.score.where(there, -1.0))

    def _near(self, height: int, width: int, device: torch.device) -> Tensor:
        """bool [N, N]: which cells are within `reach` of each other."""
        cells = torch.cartesian_prod(*(torch.arange(side, device=device) for side in (height, width))).float()
        return torch.cdist(cells, cells) <= self._reach


class Either:
    """Runs two propagations. For each point, the result with the higher similarity to the query counts."""

    def __init__(self, one: Propagation, other: Propagation) -> None:
        self._one, self._other = one, other

    def step(self, query: Tensor, frame: Tensor) -> Found:
        """Find the points of the query frame in the next frame; both are features [h, w, C]."""
        one, other = self._one.step(query, frame), self._other.step(query, frame)
        first = one.score >= other.score
        return Found(one.xy.where(first[:, None], other.xy), one.score.where(first, other.score))


def _found(rows: Tensor, frame: Tensor, xy: Tensor, cell: float) -> Found:
    return Found(xy, (rows * sample(frame, xy, cell)).sum(dim=1))
