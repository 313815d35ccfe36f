"""Checks arrays of another program, detects their convention, and makes `Tracks` of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from vgmae_bench.errors import BadDataError, UsageError
from vgmae_bench.evaluation.other_programs.convention import Axes, Convention, Order
from vgmae_bench.evaluation.other_programs.prediction_file import Stored, Tree
from vgmae_bench.evaluation.protocols import EvalProtocol, QuerySet
from vgmae_bench.types import BoolArray, FloatArray, Size, Tracks, rescale

POSITIONS = ("xy", "tracks", "pred_tracks", "points")
VISIBLE = ("visible", "visibility", "pred_visible", "pred_visibility")
OCCLUDED = ("occluded", "occlusion", "pred_occluded")

NEAR, FAR = 2.0, 4.0
"""In query frames, tracks lie on their queries. A convention is detected if half of the tracks are within 2 px of their
queries (in the metric raster), and if every other convention gives more than 4 px."""


def query_set_trees(tree: Tree) -> list[Tree]:
    """The arrays of each query set of a clip: the groups "0", "1" and so on, or the clip's own arrays."""
    groups = {name: part for name, part in tree.items() if isinstance(part, dict) and name.isdecimal()}
    return [groups[name] for name in sorted(groups, key=int)] if groups else [tree]


def coarse_dtype(tree: Tree) -> str:
    """The dtype of the positions of a query set if it is float16 or an integer; else empty."""
    dtypes = [part.dtype for name in POSITIONS if isinstance(part := tree.get(name), Stored)]
    return next((dtype.name for dtype in dtypes if dtype == np.float16 or dtype.kind in "iu"), "")


def oriented(tree: Tree, query_set: QuerySet, axes: Axes | None, where: str) -> tuple[Stored, Stored, Axes]:
    """(positions, visibility or occlusion, axes). The shapes are checked; no values are read.

    Raises:
        BadDataError: an array is missing, or its shape does not fit the query set.
        UsageError: there are as many points as frames, and the axes are not declared.
    """
    positions = _one_of(tree, POSITIONS, where)
    flags = _one_of(tree, VISIBLE + OCCLUDED, where)
    num_points, num_frames = len(query_set.queries), query_set.target_xy.shape[1]
    shape = _without_batch(positions.shape, 3)
    fits: dict[Axes, bool] = {
        "NT": shape == (num_points, num_frames, 2) and axes != "TN",
        "TN": shape == (num_frames, num_points, 2) and axes != "NT",
    }
    if all(fits.values()):
        raise UsageError(
            f"{where}: there are {num_points} points and as many frames, so the shapes do not tell which axis is which",
            "[points, frames, 2] is NT, [frames, points, 2] is TN",
            try_="--axes NT, or --axes TN",
        )
    found: Axes | None = next((name for name, fit in fits.items() if fit), None)
    if found is None:
        told = f" and {axes} was declared" if axes else ""
        why = f"the protocol has {num_points} points and {num_frames} frames{told}"
        raise BadDataError(f"{where}: positions have the shape {list(positions.shape)}", why)
    if _without_batch(flags.shape, 2) != shape[:2]:
        what = f"{where}: visibility has the shape {list(flags.shape)}"
        raise BadDataError(what, f"positions have {list(positions.shape)}")
    return positions, flags, found


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


def read_tracks(
    tree: Tree, query_set: QuerySet, convention: Convention, source: Size, protocol: EvalProtocol, where: str
) -> Tracks:
    """The tracks of a query set in raster pixels of the tracker's input.

    Arguments:
        tree: the arrays of the query set.
        convention: the file's convention. Only its axes may be unknown.
        source: (height, width) of the clip's own frames.
        where: file and clip, for messages.

    Raises:
        BadDataError: shapes, dtypes or values are impossible for tracks, or the queries differ from the protocol's.
        UsageError: see `oriented`.
    """
    positions, flags, axes = oriented(tree, query_set, convention.axes, where)
    _check_queries(tree, query_set, source, protocol, where)
    xy = points_first(positions, axes, 3, where)
    flag = points_first(flags, axes, 2, where)
    if not np.isin(flag, (0, 1)).all():
        odd = flag[~np.isin(flag, (0, 1))].flat[0]
        raise BadDataError(f"{where}: visibility holds {odd:g}", "it must be true or false: apply a threshold first")
    with np.errstate(over="ignore"):
        placed = convention.to_input(xy, source, protocol).astype(np.float32)
    if bad := int((~np.isfinite(placed)).any(axis=-1).sum()):
        point, frame = np.argwhere(~np.isfinite(placed).all(axis=-1))[0]
        raise BadDataError(
            f"{where}: {bad} positions are NaN or infinite, the first at point {point}, frame {frame}",
            "for a lost point, write any finite position and mark it as occluded",
        )
    visible = flag.astype(bool) if any(tree.get(name) is flags for name in VISIBLE) else ~flag.astype(bool)
    return Tracks(placed, visible, _confidence(tree, flags.shape, axes, where))


def _check_queries(tree: Tree, query_set: QuerySet, source: Size, protocol: EvalProtocol, where: str) -> None:
    """Check that the queries in a file, if there are any, are those of the protocol in the same order."""
    given = _given_queries(tree, len(query_set.queries), where)
    if given is None:
        return
    asked = np.column_stack([query_set.queries.frame, query_set.queries.xy])
    height, width = protocol.input_size
    readings = []
    # TAP-Vid writes (t, y, x), CoTracker (t, x, y), TAPVid-3D (x, y, t).
    for columns in ([0, 2, 1], [0, 1, 2], [2, 0, 1]):
        frame, *xy = given[:, columns].T
        for units in ("normalised", "source", f"{width}x{height}"):
            placed = Convention("NT", "xy", units).to_input(np.column_stack(xy), source, protocol)
            readings.append(np.column_stack([frame, placed]))
    if any(_same(reading, asked).all() for reading in readings):
        return
    for reading in readings:
        pairs = _same(reading[:, None], asked)
        if pairs.any(axis=0).all() and pairs.any(axis=1).all():
            number = int(np.argmin(np.diagonal(pairs)))
            raise BadDataError(
                f"{where}: the points are in another order than the protocol's queries",
                f"its point {number} is query {int(np.argmax(pairs[number]))}",
            )
    number = int(np.argmin(np.any([_same(reading, asked) for reading in readings], axis=0)))
    wanted, found = (", ".join(f"{value:g}" for value in row) for row in (asked[number], given[number]))
    raise BadDataError(
        f"{where}: its queries are not the protocol's",
        f"query {number} is at frame, x, y = {wanted}, in the file it is {found}",
    )


def _same(queries: FloatArray, others: FloatArray) -> BoolArray:
    """Whether queries [..., 3] are equal up to rounding: the same frame, and less than 0.05 px apart in x and in y."""
    return np.asarray((np.abs(queries - others) < [0.5, 0.05, 0.05]).all(axis=-1))


def _given_queries(tree: Tree, number: int, where: str) -> npt.NDArray[np.float64] | None:
    """The queries in the file, float64 [M, 3]; None if it has none. Files of vgmae-bench contain (t, x, y)."""
    names = ("query_frame", "query_xy") if "query_frame" in tree else ("query_points", "queries")
    parts = [part for name in names if isinstance(part := tree.get(name), Stored)]
    if not parts:
        return None
    columns = [part.read() for part in parts if len(part.shape) <= 3]
    given = np.column_stack([np.squeeze(part, axis=0) if part.ndim == 3 else part for part in columns])
    if given.shape != (number, 3):
        raise BadDataError(f"{where}: the queries have the shape {list(given.shape)}", f"the protocol has {number}")
    return given.astype(np.float64)


def _confidence(tree: Tree, shape: tuple[int, ...], axes: Axes, where: str) -> npt.NDArray[Any] | None:
    stored = tree.get("confidence")
    if not isinstance(stored, Stored):
        return None
    if stored.shape != shape:
        raise BadDataError(f"{where}: confidence has the shape {list(stored.shape)}", f"visibility has {list(shape)}")
    return points_first(stored, axes, 2, where)


def points_first(stored: Stored, axes: Axes, rank: int, where: str) -> npt.NDArray[Any]:
    """The values with points before frames and without a batch axis."""
    if stored.dtype.kind not in "biuf":
        raise BadDataError(f"{where}: an array has the dtype {stored.dtype}", "numbers were expected")
    values = stored.read()
    values = values.reshape(_without_batch(values.shape, rank))
    return values if axes == "NT" else values.swapaxes(0, 1)


def _without_batch(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return shape[1:] if len(shape) > rank and shape[0] == 1 else shape


def _one_of(tree: Tree, names: Sequence[str], where: str) -> Stored:
    found = {name: part for name in names if isinstance(part := tree.get(name), Stored)}
    if len(found) != 1:
        problem = f"has both {' and '.join(found)}" if found else f"has none of {', '.join(names)}"
        raise BadDataError(f"{where} {problem}", f"it holds {', '.join(sorted(tree)) or 'nothing'}")
    return next(iter(found.values()))
