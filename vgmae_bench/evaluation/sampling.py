"""Which points are asked for: the two query modes of TAP-Vid (Doersch et al., arXiv:2211.03726, section 4).

Both reproduce the samplers of google-deepmind/tapnet (tapnet/tapvid/evaluation_datasets.py), order of queries included,
except where those stumble. Occlusion is always taken as boolean (given integers they drop every track, or none). A clip
in which nothing is ever visible gives no queries in either mode instead of an exception in one of them: it then scores
NaN, which shows in the results, while an exception would take the clip for a broken one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.types import FloatArray


@dataclass(frozen=True, eq=False)
class QuerySample:
    """Points to ask for, M of them.

    Attributes:
        frame: int64 [M], the frame each is given in.
        xy: float [M, 2], its position there, in the dtype and unit of the points that were sampled.
        track: int64 [M], the track it belongs to: ground truth is `points[track]`, `occluded[track]`.
    """

    frame: npt.NDArray[np.int64]
    xy: FloatArray
    track: npt.NDArray[np.int64]


def sample_first(occluded: npt.NDArray[Any], points: FloatArray) -> QuerySample:
    """One query a track, at its earliest visible frame, in track order; tracks that are never visible are left out.

    Arguments:
        occluded: [N, T], true where not visible.
        points: float [N, T, 2], (x, y) in any unit.
    """
    visible = ~occluded.astype(bool)
    track = np.flatnonzero(visible.any(axis=1))
    frame = visible[track].argmax(axis=1)
    return QuerySample(frame, points[track, frame], track)


def sample_strided(occluded: npt.NDArray[Any], points: FloatArray, stride: int = 5) -> QuerySample:
    """Every track that is visible at frames 0, stride, 2 · stride, …, ordered by frame, then by track.

    Arguments:
        occluded: [N, T], true where not visible.
        points: float [N, T, 2], (x, y) in any unit.
        stride: frames between two query frames, at least 1.
    """
    visible = ~occluded.astype(bool)
    step, track = np.nonzero(visible[:, ::stride].T)
    frame = step * stride
    return QuerySample(frame, points[track, frame], track)
