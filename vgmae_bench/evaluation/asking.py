"""Calls trackers: in which direction of time, and with how many queries per call.

TAP-Vid tracks every query independently. In joint tracking, the other queries can tell where the object is. A tracker with
"joint" queries therefore gets one query per call, unless the user or its settings choose otherwise. Records and tables then
say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.errors import PluginError, UsageError
from vgmae_bench.specs import Direction, MethodSpec, QueryKind
from vgmae_bench.types import BoolArray, Queries, Tracker, Tracks, Uint8Array
from vgmae_bench.types.tracks import SaysAsk, SaysDirection, SaysQueries


@dataclass(frozen=True)
class Asking:
    """How a tracker is called.

    Attributes:
        direction: "forward": the tracker tracks only forward in time. The benchmark then runs it on the reversed clip for
            the frames before a query.
        queries: "joint": the tracks of one call depend on each other.
        ask: the queries of one call, see `parse`.
    """

    direction: Direction = "both"
    queries: QueryKind = "independent"
    ask: str = "all"

    def groups(self, queries: Queries) -> Iterator[npt.NDArray[np.int64]]:
        """The numbers of the queries of each call."""
        by, chunk = parse(self.ask)
        rows = np.arange(len(queries))
        parts = [rows[queries.frame == frame] for frame in np.unique(queries.frame)] if by == "frame" else [rows]
        size = 1 if by == "single" else chunk
        for part in parts:
            yield from np.split(part, range(size, len(part), size)) if size else [part]


def parse(ask: str) -> tuple[str, int | None]:
    """Read a value of --ask: "single" query, all queries of a "frame", or "all" queries of the clip.

    A number sets the largest number of queries per call, as in "frame:32" and "all:64".

    Returns:
        The word and the number, or None without a number.

    Raises:
        UsageError: it is none of these.
    """
    found = re.fullmatch(r"(single|frame|all)(?::([1-9]\d*))?", ask)
    if found is None or (found[1] == "single" and found[2]):
        raise UsageError(
            f'"{ask}" is not a value of --ask', "use single, frame, all, or all:64 for at most 64 queries a call"
        )
    return found[1], int(found[2]) if found[2] else None


def asking_of(spec: MethodSpec, tracker: Any, ask: str | None = None) -> Asking:
    """How to call a tracker. Its own attributes (`direction`, `queries`, `ask`) take precedence over its SPEC.

    Arguments:
        ask: a value of --ask, see `parse`. None: the tracker's own `ask`. If it has none, joint queries are passed one per
            call, and independent queries all at once.

    Raises:
        UsageError: `ask` is not a value of --ask.
    """
    direction = tracker.direction if isinstance(tracker, SaysDirection) else None
    queries = tracker.queries if isinstance(tracker, SaysQueries) else None
    joint = (queries if queries in ("independent", "joint") else spec.queries) == "joint"
    own = tracker.ask if isinstance(tracker, SaysAsk) else None
    ask = ask if ask is not None else own or ("single" if joint else "all")
    parse(ask)  # raises an error before the run begins
    forward = direction == "forward" if direction in ("forward", "both") else spec.looks_forward
    return Asking("forward" if forward else "both", "joint" if joint else "independent", ask)


def answer(
    tracker: Tracker,
    frames: Uint8Array,
    queries: Queries,
    how: Asking,
    *,
    backward: bool,
    allow_nonfinite: bool = True,
) -> Tracks:
    """Track queries. A tracker that tracks only forward gets the reversed clip for the frames before each query.

    Arguments:
        how: see `asking_of`.
        backward: whether the frames before a query are scored. If not, the pass over the reversed clip is skipped.
        allow_nonfinite: keep positions that are not finite. They count as wrong.

    Raises:
        PluginError: the tracker returned something other than tracks of these queries, or positions that are not
            finite.
    """
    if not len(queries):  # many networks fail on an empty batch
        return Tracks(np.zeros((0, len(frames), 2), np.float32), np.zeros((0, len(frames)), np.bool_))
    groups = list(how.groups(queries))
    backward = backward and how.direction == "forward"
    answers = [_both_ways(tracker, frames, queries[rows], backward=backward) for rows in groups]
    tracks = Tracks.concatenate(answers)[np.argsort(np.concatenate(groups))]
    lost: BoolArray = ~np.isfinite(tracks.xy.sum(axis=2))
    if lost.any() and not allow_nonfinite:
        raise PluginError(
            "The tracker returned positions that are not finite",
            f"{lost.sum()} of {lost.size}, on {lost.any(axis=1).sum()} of {len(lost)} tracks",
            try_="the same command with --allow-nonfinite, which counts them as wrong",
        )
    return tracks


def _both_ways(tracker: Tracker, frames: Uint8Array, queries: Queries, *, backward: bool) -> Tracks:
    num_frames = len(frames)
    forward = _checked(tracker.track(frames, queries), len(queries), num_frames)
    asked = np.flatnonzero(queries.frame > 0)
    if not (backward and len(asked)):
        return forward
    reversed_queries = Queries(num_frames - 1 - queries.frame[asked], queries.xy[asked])
    back = _checked(tracker.track(np.ascontiguousarray(frames[::-1]), reversed_queries), len(asked), num_frames)
    before = np.arange(num_frames) < queries.frame[asked, None]
    xy, visible, confidence = forward.xy.copy(), forward.visible.copy(), None
    xy[asked] = np.where(before[..., None], back.xy[:, ::-1], xy[asked])
    visible[asked] = np.where(before, back.visible[:, ::-1], visible[asked])
    if forward.confidence is not None and back.confidence is not None:
        confidence = forward.confidence.copy()
        confidence[asked] = np.where(before, back.confidence[:, ::-1], confidence[asked])
    return Tracks(xy, visible, confidence)


def _checked(tracks: Tracks, num_queries: int, num_frames: int) -> Tracks:
    if not isinstance(tracks, Tracks):
        raise PluginError("The tracker did not return Tracks", f"it returned a {type(tracks).__name__}")
    if tracks.visible.shape != (num_queries, num_frames):
        raise PluginError(
            "The tracker returned tracks of the wrong size",
            f"asked for {num_queries} queries × {num_frames} frames, got {' × '.join(map(str, tracks.visible.shape))}",
        )
    return tracks
