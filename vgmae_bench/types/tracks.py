"""Queries, tracks, trackers with their optional capabilities, and the conversion of positions between frame sizes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vgmae_bench.resizing import Size

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Uint8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Queries:
    """N points to track. Each has a position in one frame.

    Attributes:
        frame: int64 [N], the query frame of each point.
        xy: float32 [N, 2], the position (x, y) in this frame, in raster pixels.

    Raises:
        ValueError: shapes do not agree, a frame is not a whole number, or a position is not finite.
    """

    frame: npt.NDArray[np.int64]
    xy: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        frame = np.asarray(self.frame)
        with np.errstate(invalid="ignore"):  # NaN is refused below
            object.__setattr__(self, "frame", frame.astype(np.int64))
        object.__setattr__(self, "xy", np.asarray(self.xy, dtype=np.float32))
        if not np.array_equal(self.frame, frame):
            raise ValueError(f"query frames must be whole numbers, got {frame[self.frame != frame][0]}")
        if not np.isfinite(self.xy).all():
            raise ValueError("query positions must be finite")
        if self.frame.ndim != 1 or self.xy.shape != (len(self.frame), 2):
            raise ValueError(f"queries need frame [N] and xy [N, 2], got {self.frame.shape} and {self.xy.shape}")

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, index: Any) -> Queries:
        """The queries selected by a slice, a mask or an index array."""
        return Queries(self.frame[index], self.xy[index])

    def tyx(self) -> npt.NDArray[np.float32]:
        """The queries in the order of TAP-Vid: float32 [N, 3], (frame, y, x), raster pixels."""
        return np.concatenate([self.frame[:, None], self.xy[:, ::-1]], axis=1, dtype=np.float32)

    def txy(self, *, centres: bool = False) -> npt.NDArray[np.float32]:
        """The queries in the order of CoTracker: float32 [N, 3], (frame, x, y), raster pixels.

        Arguments:
            centres: subtract half a pixel from the positions, for code with pixel centres at integers.
        """
        return np.concatenate([self.frame[:, None], self.xy - 0.5 * centres], axis=1, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Tracks:
    """The position and the visibility of each query point in every frame.

    Attributes:
        xy: float32 [N, T, 2], (x, y) in raster pixels of the input frames.
        visible: bool [N, T].
        confidence: float32 [N, T] in [0, 1], or None if the method has none.

    Raises:
        ValueError: shapes do not agree, or `visible` is not boolean (threshold soft visibility first).
    """

    xy: npt.NDArray[np.float32]
    visible: BoolArray
    confidence: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "xy", np.asarray(self.xy, dtype=np.float32))
        object.__setattr__(self, "visible", np.asarray(self.visible))
        if self.visible.dtype != np.bool_:
            raise ValueError(f"visible must be boolean, got {self.visible.dtype}: threshold soft visibility first")
        if self.xy.ndim != 3 or self.xy.shape[2] != 2 or self.visible.shape != self.xy.shape[:2]:
            raise ValueError(f"tracks need xy [N, T, 2] and visible [N, T], got {self.xy.shape}, {self.visible.shape}")
        if self.confidence is not None:
            object.__setattr__(self, "confidence", np.asarray(self.confidence, dtype=np.float32))
            if self.confidence.shape != self.visible.shape:
                raise ValueError(f"confidence must be [N, T] like visible, got {self.confidence.shape}")

    def __getitem__(self, index: Any) -> Tracks:
        """The tracks selected by a slice, a mask or an index array."""
        confidence = None if self.confidence is None else self.confidence[index]
        return Tracks(self.xy[index], self.visible[index], confidence)

    @classmethod
    def concatenate(cls, parts: Sequence[Tracks], axis: int = 0) -> Tracks:
        """Join tracks along points (axis 0) or frames (axis 1). The result has a confidence if every part has one."""
        confidence = [part.confidence for part in parts if part.confidence is not None]
        return cls(
            np.concatenate([part.xy for part in parts], axis),
            np.concatenate([part.visible for part in parts], axis),
            np.concatenate(confidence, axis) if len(confidence) == len(parts) else None,
        )

    @classmethod
    def from_scores(cls, xy: Any, score: Any, threshold: float) -> Tracks:
        """Tracks of a method that predicts the probability of visibility.

        Arguments:
            xy: [N, T, 2], raster pixels; an array, or a tensor on any device.
            score: [N, T] from 0 to 1; an array, or a tensor on any device. It becomes the confidence.
            threshold: a point is visible if its score is larger than this.
        """
        sure = _array(score)
        return cls(_array(xy), sure > threshold, sure.astype(np.float32))


def rescale(xy: FloatArray, from_size: Size, to_size: Size) -> FloatArray:
    """Convert raster positions from frames of one size to frames of another size.

    The outer corners of the frames are aligned. The conversion is therefore a multiplication without a half-pixel shift,
    as in the grid conversion of google-deepmind/tapnet (tapnet/utils/transforms.py).

    Arguments:
        xy: float [..., 2], (x, y) in raster pixels of frames of `from_size`.
        from_size, to_size: (height, width).

    Returns:
        float64 [..., 2], raster pixels of frames of `to_size`.
    """
    (from_height, from_width), (to_height, to_width) = from_size, to_size
    scaled: FloatArray = xy * np.array([to_width, to_height]) / np.array([from_width, from_height])
    return scaled


def _array(values: Any) -> npt.NDArray[Any]:
    """Convert an array, or a tensor on any device, to a NumPy array."""
    return np.asarray(values.detach().float().cpu().numpy() if hasattr(values, "detach") else values)


@runtime_checkable
class Tracker(Protocol):
    """A tracker must have only the method `track`.

    A tracker may also be `Noted`, `Foreign`, `Selective`, `Streaming` or a `SceneMaker`. It may override its SPEC for this
    instance: `SaysDirection`, `SaysLookahead`, `SaysQueries`, `SaysAsk`. See `vgmae_bench.evaluation.asking.asking_of`.
    """

    def track(self, frames: Uint8Array, queries: Queries) -> Tracks:
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
    def step(self, frame: Uint8Array) -> Tracks:
        """The tracks in the next frame (uint8 [H, W, 3] RGB), T = 1. Before the query's frame, any values are allowed."""


class StreamingTracker(Streaming):
    """A base class for online trackers. It implements `track` with the subclass's `start` and `step`."""

    def track(self, frames: Uint8Array, queries: Queries) -> Tracks:
        """See `Tracker.track`."""
        return stream(self, frames, queries)


def stream(tracker: Streaming, frames: Iterable[Uint8Array], queries: Queries) -> Tracks:
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
    reconstruction: Uint8Array


@runtime_checkable
class SceneMaker(Protocol):
    """A tracker that can also compute a `Scene`."""

    def scene(self, frames: Uint8Array) -> Scene:
        """The scene of a clip, uint8 [T, H, W, 3] RGB."""
