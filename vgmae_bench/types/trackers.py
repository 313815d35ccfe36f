"""The Protocol of trackers, and the Protocols of their optional capabilities."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vgmae_bench.types.tracks import Queries, Tracks


@runtime_checkable
class Tracker(Protocol):
    """A tracker must have only the method `track`.

    A tracker may also be `Noted`, `Foreign`, `Selective`, `Streaming` or a `SceneMaker`. It may override its SPEC for this
    instance: `SaysDirection`, `SaysLookahead`, `SaysQueries`, `SaysAsk`. See `vgmae_bench.evaluation.asking.asking_of`.
    """

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track all queries through a clip, each independently of the others.

        Arguments:
            frames: uint8 [T, H, W, 3] RGB.
            queries: N points, in raster pixels of `frames`.

        Returns:
            N tracks of T frames, in raster pixels of `frames`.
        """


@runtime_checkable
class Streaming(Protocol):
    """An online tracker. It gets one frame at a time, so that a long video needs little memory. It tracks only forward."""

    @abstractmethod
    def start(self, queries: Queries) -> None:
        """Start a new video with these queries."""

    @abstractmethod
    def step(self, frame: npt.NDArray[np.uint8]) -> Tracks:
        """The tracks in the next frame (uint8 [H, W, 3] RGB), T = 1. Before the query's frame, any values are allowed."""


class StreamingTracker(Streaming):
    """A base class for online trackers. It implements `track` with the subclass's `start` and `step`."""

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `Tracker.track`."""
        return stream(self, frames, queries)


def stream(tracker: Streaming, frames: Iterable[npt.NDArray[np.uint8]], queries: Queries) -> Tracks:
    """Track a whole video frame by frame. This function keeps only one frame in memory.

    Arguments:
        frames: uint8 [H, W, 3] RGB, in order.
    """
    tracker.start(queries)
    return Tracks.concatenate([tracker.step(frame) for frame in frames], axis=1)


@runtime_checkable
class Noted(Protocol):
    """A tracker with a note that readers of its scores must know, such as "random weights"."""

    @property
    def note(self) -> str:
        """The note, or ""."""


@runtime_checkable
class Foreign(Protocol):
    """A tracker that runs the code of another project, from a checkout of its repository."""

    @property
    def checkout(self) -> str:
        """The version of this code, "owner/name commit digest"; part of a run's key."""


@runtime_checkable
class Selective(Protocol):
    """A tracker whose predictions do not depend on all of its settings."""

    @property
    def unused_settings(self) -> Collection[str]:
        """Settings, and sections of settings, that this tracker does not use. A run's key omits them."""


@runtime_checkable
class SaysDirection(Protocol):
    """A tracker whose `direction` overrides that of its SPEC: "forward" or "both". Other values are ignored."""

    direction: str | None


@runtime_checkable
class SaysLookahead(Protocol):
    """A tracker whose `lookahead` overrides that of its SPEC: a number of frames or "all". Other values are ignored."""

    lookahead: int | str | None


@runtime_checkable
class SaysQueries(Protocol):
    """A tracker whose `queries` override those of its SPEC: "independent" or "joint". Other values are ignored."""

    queries: str | None


@runtime_checkable
class SaysAsk(Protocol):
    """A tracker that says how many queries a call should have; see `vgmae_bench.evaluation.asking.parse`. None: any."""

    ask: str | None


@dataclass(frozen=True, eq=False)
class Scene:
    """Flow, primitives and reconstruction that a method computes for a clip of T frames, at its own resolution h × w.

    Attributes:
        flow: float32 [T - 1, h, w, 2], from each frame to the next, in raster pixels of the input frames.
        centres: float32 [T, G, 2], the centres of the G primitives (such as Gaussians), in raster pixels of the input.
        window: int64 [T], the first frame of the window that contains each frame. Within a window, a primitive keeps its
            index.
        reconstruction: uint8 [T, h, w, 3] RGB.
    """

    flow: npt.NDArray[np.float32]
    centres: npt.NDArray[np.float32]
    window: npt.NDArray[np.int64]
    reconstruction: npt.NDArray[np.uint8]


@runtime_checkable
class SceneMaker(Protocol):
    """A tracker that can also compute a `Scene`."""

    def scene(self, frames: npt.NDArray[np.uint8]) -> Scene:
        """The scene of a clip, uint8 [T, H, W, 3] RGB."""
