"""Calls a tracker under test, and records its time and its changes of the input."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from vgmae_bench.conformance.textures import Frames, Warp, affine, clip, points
from vgmae_bench.resizing import Size
from vgmae_bench.specs import MethodSpec
from vgmae_bench.types import Queries, Tracker, Tracks

SAME = 1e-3
"""Pixels. Positions that differ by less count as equal. Rounding alone gave differences of 5e-5 px."""


class BrokenError(Exception):
    """The tracker raised something, or returned something other than tracks of the queries. The text says what."""


@dataclass
class Probe:
    """A tracker under test, and the clips that it gets.

    Attributes:
        tracker: the tracker under test.
        spec: what it declares.
        untrained: whether its weights are random. Checks that need trained weights then report information, not faults.
        device: a torch device.
        length: number of frames T of most clips.
        width: width of the frames in pixels. The height is three quarters of it, which reveals swapped x and y.
        textures: largest number of textures to average over.
        patience: time limit of one check in seconds. Slow trackers get fewer textures and frames.
        seconds: time spent in the tracker so far.
        changed: the inputs that the tracker has changed: "frames", "queries".
    """

    tracker: Tracker
    spec: MethodSpec
    untrained: bool = False
    device: str = "cpu"
    length: int = 8
    width: int = 128
    textures: int = 6
    patience: float = 30.0
    seconds: float = 0.0
    changed: set[str] = field(default_factory=set)

    @property
    def size(self) -> Size:
        """(height, width) of the frames."""
        return self.width * 3 // 4, self.width

    @property
    def pan(self) -> list[Warp]:
        """The motion of `frames`: in each frame 2 pixels to the right and 1 pixel up."""
        return [affine(self.size, move=(2.0 * t, -1.0 * t)) for t in range(self.length)]

    @cached_property
    def frames(self) -> Frames:
        """The clip of `pan`."""
        return clip(self.pan, self.size)

    @cached_property
    def queries(self) -> Queries:
        """Five queries near the middle of the frame, in the first frame, in the last frame and between."""
        return points(5, [n * (self.length - 1) // 4 for n in range(5)], self.size, seed=3)

    @cached_property
    def answered(self) -> Tracks:
        """The tracks of `queries` on `frames`, computed once."""
        return self.ask(self.frames, self.queries)

    @cached_property
    def seconds_a_frame(self) -> float:
        """Tracking time per frame in seconds, measured on `frames`."""
        before = self.seconds
        self.ask(self.frames, self.queries)
        return (self.seconds - before) / len(self.frames)

    def affordable(self, frames: int) -> int:
        """How many clips of `frames` frames fit into the time limit of one check; at least 1."""
        return max(int(self.patience / max(self.seconds_a_frame * frames, 1e-6)), 1)

    def ask(self, frames: Frames, queries: Queries) -> Tracks:
        """Call the tracker. Check its result, and whether it changed its input.

        Raises:
            BrokenError: it raised something, or returned something other than finite tracks of these queries.
        """
        given, frame, xy = frames.copy(), queries.frame.copy(), queries.xy.copy()
        start = time.perf_counter()
        try:
            answer: Any = self.tracker.track(given, Queries(frame, xy))
        except Exception as error:  # a tracker can raise anything
            text = str(error).strip().splitlines()
            raise BrokenError(f"it raises {type(error).__name__}" + (f": {text[0]}" if text else "")) from error
        self.seconds += time.perf_counter() - start
        if not np.array_equal(given, frames):
            self.changed.add("frames")
        if not (np.array_equal(frame, queries.frame) and np.array_equal(xy, queries.xy)):
            self.changed.add("queries")
        if problem := _problem(answer, len(queries), len(frames)):
            raise BrokenError(problem)
        tracks: Tracks = answer
        return tracks


def gap(first: Tracks, second: Tracks) -> tuple[float, int]:
    """The largest difference of positions in pixels, and how many visibility flags differ."""
    apart = float(np.abs(first.xy - second.xy).max(initial=0))
    return apart, int((first.visible != second.visible).sum())


@contextmanager
def another_random_state(seed: int) -> Iterator[None]:
    """Within the block, the global generators of `random`, NumPy and torch have this seed. Their states return afterwards."""
    import random

    import torch

    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002  # theirs is meant
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # trackers draw from the global generator
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.random.set_rng_state(states[2])


def _problem(answer: Any, queries: int, frames: int) -> str:
    """A description of the fault of an answer; empty for a valid answer."""
    if not isinstance(answer, Tracks):
        return f"it returns a {type(answer).__name__}, not vgmae_bench.Tracks"
    if answer.visible.shape != (queries, frames):
        got = " × ".join(map(str, answer.visible.shape))
        return f"it returns tracks of {got} for {queries} queries × {frames} frames"
    if not np.isfinite(answer.xy).all():
        lost = int((~np.isfinite(answer.xy).all(axis=-1)).sum())
        return f"{lost} of {queries * frames} positions are not finite"
    sure = answer.confidence
    if sure is not None and sure.size and not (np.isfinite(sure).all() and sure.min() >= 0 and sure.max() <= 1):
        return f"confidence lies in [{sure.min():.3g}, {sure.max():.3g}], not in [0, 1]"
    return ""
