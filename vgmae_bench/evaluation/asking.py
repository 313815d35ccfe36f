"""How a tracker is asked: in which direction of time, and with how many queries in a call.

TAP-Vid asks every query on its own: queries that see each other leak where the object is. A tracker whose queries are "joint"
is therefore asked one query at a time, unless the user or its settings say otherwise; records and tables then say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from vgmae_bench.errors import PluginError, UsageError
from vgmae_bench.evaluation.records.method_used import can_depend
from vgmae_bench.specs import Direction, MethodSpec, QueryKind
from vgmae_bench.types import Queries, SaysAsk, SaysDirection, SaysQueries, Tracker, Tracks

By = Literal["single", "frame", "all"]
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Asking:
    """How a tracker is asked.

    Attributes:
        direction: "forward": the tracker follows points forward in time only. The harness then runs it on the reversed clip
            for the frames before a query.
        queries: "joint": answers to the queries of a call depend on each other.
        by: how many queries a call has: one, those of a frame, or all of a clip.
        chunk: at most so many in a call; None: no limit.
    """

    direction: Direction = "both"
    queries: QueryKind = "independent"
    by: By = "all"
    chunk: int | None = None

    @property
    def joint(self) -> bool:
        """Whether answers can depend on other queries."""
        return can_depend(self.queries, self.ask)

    @property
    def ask(self) -> str:
        """ "single", "frame", "all", or "all:64" with a limit; `parse` reads it."""
        return self.by + (f":{self.chunk}" if self.chunk else "")

    def groups(self, queries: Queries) -> Iterator[npt.NDArray[np.int64]]:
        """The rows of each call."""
        rows = np.arange(len(queries))
        frames = np.unique(queries.frame)
        parts = [rows[queries.frame == frame] for frame in frames] if self.by == "frame" else [rows]
        size = 1 if self.by == "single" else self.chunk
        for part in parts:
            yield from np.split(part, range(size, len(part), size)) if size else [part]


def parse(text: str) -> tuple[By, int | None]:
    """How many queries a call has: "single", "frame", "all", "frame:32" or "all:64".

    Raises:
        UsageError: it is none of these.
    """
    found = re.fullmatch(r"(single|frame|all)(?::([1-9]\d*))?", text)
    if found is None or (found[1] == "single" and found[2]):
        raise UsageError(
            f'"{text}" is not a value of --ask', "use single, frame, all, or all:64 for at most 64 queries a call"
        )
    by: Any = found[1]
    return by, int(found[2]) if found[2] else None


def asking_of(spec: MethodSpec, tracker: Any, ask: str | None = None) -> Asking:
    """How a tracker is asked. What the built tracker says (`direction`, `queries`, `ask`) goes before its SPEC.

    Arguments:
        ask: what the user wants, see `parse`. None: as the tracker says, otherwise one query at a time if queries are
            joint, and all at once if not.

    Raises:
        UsageError: `ask` is not a value of --ask.
    """
    direction = tracker.direction if isinstance(tracker, SaysDirection) else None
    queries = tracker.queries if isinstance(tracker, SaysQueries) else None
    joint = (queries if queries in ("independent", "joint") else spec.queries) == "joint"
    own = tracker.ask if isinstance(tracker, SaysAsk) else None
    by, chunk = parse(ask if ask is not None else own or ("single" if joint else "all"))
    forward = direction == "forward" if direction in ("forward", "both") else spec.looks_forward
    return Asking("forward" if forward else "both", "joint" if joint else "independent", by, chunk)


def answer(
    tracker: Tracker,
    frames: npt.NDArray[np.uint8],
    queries: Queries,
    how: Asking,
    *,
    backward: bool,
    allow_nonfinite: bool = True,
) -> Tracks:
    """Ask a tracker. One that looks forward gets the reversed clip for the frames before each query.

    Arguments:
        how: see `asking_of`.
        backward: the frames before a query matter. If not, the second pass is skipped.
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
    lost: npt.NDArray[np.bool_] = ~np.isfinite(tracks.xy.sum(axis=2))
    if lost.any() and not allow_nonfinite:
        raise PluginError(
            "The tracker returned positions that are not finite",
            f"{lost.sum()} of {lost.size}, on {lost.any(axis=1).sum()} of {len(lost)} tracks",
            try_="the same command with --allow-nonfinite, which counts them as wrong",
        )
    return tracks


def _both_ways(tracker: Tracker, frames: npt.NDArray[np.uint8], queries: Queries, *, backward: bool) -> Tracks:
    num_frames = len(frames)
    forward = _checked(tracker.track(frames, queries), len(queries), num_frames)
    asked = np.flatnonzero(queries.frame > 0)
    if not (backward and len(asked)):
        return forward
    reversed_queries = Queries(num_frames - 1 - queries.frame[asked], queries.xy[asked])
    back = _checked(tracker.track(np.ascontiguousarray(frames[::-1]), reversed_queries), len(asked), num_frames)
    before = np.arange(num_frames) < queries.frame[asked, None]

    def join(ahead: npt.NDArray[Value], behind: npt.NDArray[Value]) -> npt.NDArray[Value]:
        joined = ahead.copy()
        mask = before[..., None] if ahead.ndim == 3 else before
        joined[asked] = np.where(mask, behind[:, ::-1], ahead[asked])
        return joined

    confidence = None
    if forward.confidence is not None and back.confidence is not None:
        confidence = join(forward.confidence, back.confidence)
    return Tracks(join(forward.xy, back.xy), join(forward.visible, back.visible), confidence)


def _checked(tracks: Tracks, num_queries: int, num_frames: int) -> Tracks:
    if not isinstance(tracks, Tracks):
        raise PluginError("The tracker did not return Tracks", f"it returned a {type(tracks).__name__}")
    if tracks.visible.shape != (num_queries, num_frames):
        raise PluginError(
            "The tracker returned tracks of the wrong size",
            f"asked for {num_queries} queries × {num_frames} frames, got {' × '.join(map(str, tracks.visible.shape))}",
        )
    return tracks
