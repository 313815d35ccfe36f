"""Detects an undeclared convention, but only if the data leave no doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.other_programs.convention import Convention, Order
from vgmae_bench.evaluation.other_programs.prediction_file import Tree
from vgmae_bench.evaluation.other_programs.track_arrays import oriented, points_first
from vgmae_bench.evaluation.protocols import EvalProtocol, QuerySet
from vgmae_bench.types import FloatArray, Size, rescale

NEAR, FAR = 2.0, 4.0
"""In query frames, tracks lie on their queries. A convention is detected if half of the tracks are within 2 px of their
queries (in the metric raster), and if every other convention gives more than 4 px."""


def detect(
    samples: Sequence[tuple[Tree, QuerySet, Size, str]], declared: Convention, protocol: EvalProtocol
) -> tuple[Convention, float]:
    """Find the undeclared parts of a convention: under the right convention, tracks lie on their queries in query frames.

    Arguments:
        samples: for a few clips: arrays, query set, (height, width) of the clip's own frames, and a name for messages.
        declared: the parts of the convention that the user declared.

    Returns:
        The convention, and the median distance of tracks from their queries in the query frames, in pixels of the metric
        raster.

    Raises:
        UsageError: no convention fits, or several do.
    """
    height, width = protocol.input_size
    sizes = (declared.units,) if declared.units else ("normalised", f"{width}x{height}", "source")
    orders = (declared.order,) if declared.order else get_args(Order)
    candidates = [Convention(declared.axes, order, units) for units in sizes for order in orders]
    if declared.units is None and all(source == protocol.input_size for _, _, source, _ in samples):
        candidates = [candidate for candidate in candidates if candidate.units != "source"]  # both name the same pixels
    starts = []
    for tree, query_set, source, where in samples:
        positions, _, axes = oriented(tree, query_set, declared.axes, where)
        at_query = points_first(positions, axes, 3, where)[np.arange(len(query_set.queries)), query_set.queries.frame]
        starts.append((at_query, query_set.queries.xy, source))
    distances = [_distance(starts, candidate, protocol) for candidate in candidates]
    ranked = sorted(zip(distances, candidates, strict=True), key=lambda pair: pair[0])
    (nearest, best), others = ranked[0], ranked[1:]
    if not others or (nearest <= NEAR and others[0][0] >= FAR):
        return best, nearest
    told = "; ".join(f"{distance:.1f} px if {candidate}" for distance, candidate in ranked[:2])
    if nearest > NEAR:
        why = f"under every convention, the points are far from their queries in the query frames ({told})"
        why += ", or the points have another order than the protocol's queries"
    else:
        why = f"two conventions put the points near their queries in the query frames ({told})"
    raise UsageError("The convention of the positions is not known", why, try_=f"--order xy --units {width}x{height}")


def _distance(
    starts: Sequence[tuple[npt.NDArray[Any], FloatArray, Size]], convention: Convention, protocol: EvalProtocol
) -> float:
    """Median distance of tracks from their queries in query frames, in pixels of the metric raster."""
    offsets = [convention.to_input(xy, source, protocol) - queried for xy, queried, source in starts]
    if not offsets:
        return np.inf  # the first clips have no queries
    placed = rescale(np.concatenate(offsets), protocol.input_size, protocol.metric_size)
    return float(np.nan_to_num(np.median(np.linalg.norm(placed, axis=-1)), nan=np.inf))
