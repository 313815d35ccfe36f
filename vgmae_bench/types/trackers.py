"""What a tracking plugin is, and what else it may be."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vgmae_bench.types.tracks import Queries, Tracks


class Tracker(Protocol):
    """The whole contract of a tracking plugin.

    A tracker may also be `Noted`, `Foreign`, `Selective`, `Streaming` or a `SceneMaker`. It may have the attributes
    `direction`, `lookahead`, `queries` and `ask`: for the tracker as it was built, they replace what its SPEC says. See
    `vgmae_bench.evaluation.asking.asking_of`.
    """

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames` (uint8 [T, H, W, 3] RGB); answer each query independently of the others."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A tracker that sees one frame after the other, so that a long video needs little memory. It looks forward only."""

    def start(self, queries: Queries) -> None:
        """Begin with a new video and these queries."""
        ...

    def step(self, frame: npt.NDArray[np.uint8]) -> Tracks:
        """The tracks in the next frame (uint8 [H, W, 3] RGB), T = 1. Before a query's frame they may be anything."""
        ...


class StreamingTracker:
    """A base class for trackers that see one frame after the other: with `start` and `step`, it has `track`."""

    def start(self, queries: Queries) -> None:
        """See `Streaming.start`."""
        raise NotImplementedError

    def step(self, frame: npt.NDArray[np.uint8]) -> Tracks:
        """See `Streaming.step`."""
        raise NotImplementedError

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `Tracker.track`."""
        return stream(self, frames, queries)


def stream(tracker: Streaming, frames: Iterable[npt.NDArray[np.uint8]], queries: Queries) -> Tracks:
    """The tracks of a whole video, frame by frame. No more than one frame is held here.

    Arguments:
        frames: uint8 [H, W, 3] RGB, in order.
    """
    tracker.start(queries)
    return Tracks.concatenate([tracker.step(frame) for frame in frames], axis=1)


@runtime_checkable
class Noted(Protocol):
    """A tracker with something to say of itself that a reader of its scores must know: "random weights"."""

    @property
    def note(self) -> str:
        """What the tracker says of itself, or ""."""
        ...


@runtime_checkable
class Foreign(Protocol):
    """A tracker that runs code which is neither ours nor a plugin's: a checkout of somebody's repository."""

    @property
    def checkout(self) -> str:
        """Which code, "owner/name commit digest"; part of a run's key."""
        ...


@runtime_checkable
class Selective(Protocol):
    """A tracker whose answers do not depend on all of its settings."""

    @property
    def unused_settings(self) -> Collection[str]:
        """Settings, and sections of settings, that this tracker does not read. They are no part of a run's key."""
        ...


@dataclass(frozen=True, eq=False)
class Scene:
    """What a method makes of a whole clip of T frames besides tracks, at a resolution h × w of its own.

    Attributes:
        flow: float32 [T - 1, h, w, 2], from each frame to the next, raster pixels of the frames that were given.
        centres: float32 [T, G, 2], where the G primitives it explains the clip with are, raster pixels.
        window: int64 [T], the first frame of the window that a frame's primitives belong to: within a window a primitive
            keeps its number.
        reconstruction: uint8 [T, h, w, 3] RGB.
    """

    flow: npt.NDArray[np.float32]
    centres: npt.NDArray[np.float32]
    window: npt.NDArray[np.int64]
    reconstruction: npt.NDArray[np.uint8]


@runtime_checkable
class SceneMaker(Protocol):
    """A tracker that can also say what it makes of a clip."""

    def scene(self, frames: npt.NDArray[np.uint8]) -> Scene:
        """Of frames uint8 [T, H, W, 3] RGB."""
        ...
