"""A correct tracker, and trackers with one fault each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from vgmae_baselines.lucas_kanade.tracker import LucasKanade, LucasKanadeConfig

from vgmae_bench.types import Queries, Tracks


class Correct:
    """Lucas-Kanade, forward in time."""

    def __init__(self) -> None:
        self._flow = LucasKanade(LucasKanadeConfig())

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        return self._flow.track(frames, queries)


def _size(frames: np.ndarray) -> np.ndarray:
    return np.array([frames.shape[2], frames.shape[1]], dtype=np.float32)


class HalfNaN(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        tracks.xy[::2] = np.nan
        return tracks


class AllNaN(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        return Tracks(np.full_like(tracks.xy, np.nan), tracks.visible)


class Still(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return Tracks(xy, np.ones(xy.shape[:2], dtype=bool))


class StillSwapped(Still):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        return Tracks(tracks.xy[..., ::-1], tracks.visible)


class Shifted(Correct):
    """Follows a point beside the query, and adds an offset to positions."""

    before, after = 0.0, 0.0

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, replace(queries, xy=queries.xy + np.float32(self.before)))
        return replace(tracks, xy=tracks.xy + np.float32(self.after))


class IndexInside(Shifted):
    before, after = 0.5, -0.5


class IndexIn(Shifted):
    before = 0.5


class IndexOut(Shifted):
    after = -0.5


class LastPixel(Correct):
    """Uses x (W - 1) / W as an index."""

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        scale = 1 - 1 / _size(frames)
        tracks = super().track(frames, Queries(queries.frame, queries.xy * scale + 0.5))
        return replace(tracks, xy=(tracks.xy - 0.5) / scale)


class SwappedInAndOut(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, replace(queries, xy=queries.xy[:, ::-1]))
        return replace(tracks, xy=tracks.xy[..., ::-1])


class SoftVisibility(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        return Tracks(tracks.xy, tracks.visible.astype(np.float32))  # type: ignore[arg-type]


class Tuple(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Any:
        tracks = super().track(frames, queries)
        return tracks.xy, tracks.visible


class WildConfidence(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        return replace(tracks, confidence=np.full(tracks.visible.shape, 3.0))


class NeedsMotion(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        np.stack(list(frames[1:]))
        return super().track(frames, queries)


class EvenSizes(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        frames.reshape(len(frames), frames.shape[1] // 2, 2, frames.shape[2] // 2, 2, 3)
        return super().track(frames, queries)


class WritesFrames(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        frames //= 2
        return tracks


class WritesQueries(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        kept = queries.xy.copy()
        queries.xy[:] -= 0.5
        return super().track(frames, replace(queries, xy=kept))


class Fractions(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        return replace(tracks, xy=tracks.xy / _size(frames))


class FirstFrame(Correct):
    """Treats all queries as queries in frame 0."""

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        return super().track(frames, replace(queries, frame=np.zeros_like(queries.frame)))


class WholePixels(Correct):
    """Follows the corner of the query's pixel, and reports positions as if it had followed the query."""

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        corner = np.floor(queries.xy)
        tracks = super().track(frames, replace(queries, xy=corner))
        return replace(tracks, xy=tracks.xy + (queries.xy - corner)[:, None])


class Negated(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        return replace(tracks, xy=2 * queries.xy[:, None] - tracks.xy)


class SeesOthers(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        motion = tracks.xy - queries.xy[:, None]
        common = motion.mean(axis=0) if len(queries) else motion
        return replace(tracks, xy=queries.xy[:, None] + 0.9 * motion + 0.1 * common)


class CountsOthers(Correct):
    """Tracks many queries with a coarser method."""

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        if len(queries) < 10:
            return tracks
        motion = tracks.xy - queries.xy[:, None]
        return replace(tracks, xy=queries.xy[:, None] + np.round(motion * 4) / 4 + 0.1 * (motion != 0))


class Remembers(Correct):
    last = 0.0

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        moved = tracks.xy + np.float32(self.last) * (tracks.xy != queries.xy[:, None])
        self.last = 0.01 * float(frames.mean())
        return replace(tracks, xy=moved)


class Dice(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        noise = np.random.standard_normal(tracks.xy.shape) * 0.05  # noqa: NPY002
        return replace(tracks, xy=np.where(tracks.xy == queries.xy[:, None], tracks.xy, tracks.xy + noise))


class Smooths(Correct):
    """Each position is the mean of three positions in sequence."""

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        padded = np.pad(tracks.xy, ((0, 0), (1, 1), (0, 0)), mode="edge")
        smooth = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
        rows = np.arange(len(queries))
        smooth[rows, queries.frame] = queries.xy
        return replace(tracks, xy=smooth)


class Inverted(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        return replace(tracks, visible=~tracks.visible)


class Hidden(Correct):
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        tracks = super().track(frames, queries)
        return replace(tracks, visible=np.zeros_like(tracks.visible))


FORWARD: dict[str, Any] = {"causal": True, "lookahead": 0}


class Fault(NamedTuple):
    """A tracker, the check that finds its fault, a word of the finding, and what its SPEC declares."""

    tracker: type[Correct]
    check: str
    word: str
    declares: Mapping[str, Any] = FORWARD


FAULTS = (
    Fault(HalfNaN, "shapes", "24 of 40 positions are not finite"),
    Fault(AllNaN, "shapes", "40 of 40 positions are not finite"),
    Fault(SoftVisibility, "shapes", "visible must be boolean"),
    Fault(Tuple, "shapes", "returns a tuple"),
    Fault(WildConfidence, "shapes", r"\[3, 3\]"),
    Fault(NeedsMotion, "edges", "need at least one array"),
    Fault(EvenSizes, "edges", "cannot reshape"),
    Fault(StillSwapped, "on-query", r"\(y, x\)"),
    Fault(IndexIn, "on-query", "half a pixel too large"),
    Fault(IndexOut, "on-query", "half a pixel too small"),
    Fault(Fractions, "on-query", "fractions of the frame"),
    Fault(FirstFrame, "on-query", "no usual mistake"),
    Fault(Still, "translation", "nothing moves"),
    Fault(SwappedInAndOut, "translation", r"\(y, x\)"),
    Fault(Negated, "translation", "opposite direction"),
    Fault(IndexInside, "half-pixel", "beside the query"),
    Fault(WholePixels, "half-pixel", "beside the query"),
    Fault(LastPixel, "long-pan", r"W / \(W - 1\)"),
    Fault(SeesOthers, "independent", "one by one"),
    Fault(CountsOthers, "independent", "beside equal"),
    Fault(Remembers, "repeatable", "after another clip"),
    Fault(Dice, "repeatable", "after another clip"),
    Fault(Correct, "backward", "does not declare direction=forward", {"causal": False}),
    Fault(Smooths, "looks-ahead", "depend on 1 later frames.*declares lookahead=0"),
    Fault(Inverted, "visibility", "inverted"),
    Fault(Hidden, "visibility", "nearly everything is hidden"),
    Fault(WritesFrames, "inputs", "changes the frames"),
    Fault(WritesQueries, "inputs", "changes the queries"),
)
