"""Samples queries in the two query modes of TAP-Vid (Doersch et al., arXiv:2211.03726, section 4).

Both samplers give the same queries in the same order as google-deepmind/tapnet (tapnet/tapvid/evaluation_datasets.py),
with two exceptions. Occlusion is always read as boolean: tapnet drops every track, or none, if it gets integers. A clip
without any visible point gives no queries in both modes, where tapnet raises an exception in one of them. Such a clip
scores NaN and is thus noticed. An exception would make it look like a broken clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.types import FloatArray


@dataclass(frozen=True, eq=False)
class QuerySample:
    """M sampled queries.

    Attributes:
        frame: int64 [M], the query frames.
        xy: float [M, 2], the positions in the query frames, in the dtype and unit of the sampled points.
        track: int64 [M], the track of each query: the true track is `points[track]`, `occluded[track]`.
    """

    frame: npt.NDArray[np.int64]
    xy: FloatArray
    track: npt.NDArray[np.int64]


def sample_first(occluded: npt.NDArray[Any], points: FloatArray) -> QuerySample:
    """One query per track, in its first visible frame, in track order. Tracks that are never visible give no query.

    Arguments:
        occluded: [N, T], true if not visible.
        points: float [N, T, 2], (x, y) in any unit.
    """
    visible = ~occluded.astype(bool)
    track = np.flatnonzero(visible.any(axis=1))
    frame = visible[track].argmax(axis=1)
    return QuerySample(frame, points[track, frame], track)


def sample_strided(occluded: npt.NDArray[Any], points: FloatArray, stride: int = 5) -> QuerySample:
    """One query for every visible track in frames 0, stride, 2 · stride, …, ordered by frame, then by track.

    Arguments:
        occluded: [N, T], true if not visible.
        points: float [N, T, 2], (x, y) in any unit.
        stride: frames between two query frames, at least 1.
    """
    visible = ~occluded.astype(bool)
    step, track = np.nonzero(visible[:, ::stride].T)
    frame = step * stride
    return QuerySample(frame, points[track, frame], track)
