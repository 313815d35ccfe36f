"""The things that travel through the harness: clips, queries, tracks.

Coordinates have one convention everywhere: raster pixels (x, y), (0, 0) the outer corner of the top-left pixel, (W, H)
that of the bottom-right one, pixel centres at +0.5. Code that samples images at integer centres subtracts 0.5 itself.
Sizes are (height, width), as in array shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vgmae_bench.ahead import made_ahead, read_memory, read_threads
from vgmae_bench.resizing import Size as Size
from vgmae_bench.resizing import resize_frames

_BLOCK = 8
"""Frames of a clip that are in memory at the source size while it is resized."""

FloatArray = npt.NDArray[np.floating[Any]]
ReadPart = Callable[[int, int], npt.NDArray[np.uint8]]
"""read(start, stop) returns frames start … stop - 1 of a clip, uint8 [·, H, W, 3] RGB."""


@dataclass(frozen=True, eq=False)
class Queries:
    """Points to track, each given in one frame.

    Attributes:
        frame: int64 [N], the frame each point is given in.
        xy: float32 [N, 2], its position there, raster pixels.

    Raises:
        ValueError: shapes do not agree.
    """

    frame: npt.NDArray[np.int64]
    xy: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame", np.asarray(self.frame, dtype=np.int64))
        object.__setattr__(self, "xy", np.asarray(self.xy, dtype=np.float32))
        if self.frame.ndim != 1 or self.xy.shape != (len(self.frame), 2):
            raise ValueError(f"queries need frame [N] and xy [N, 2], got {self.frame.shape} and {self.xy.shape}")

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, index: Any) -> Queries:
        """The queries selected by a slice, a mask or an index array."""
        return Queries(self.frame[index], self.xy[index])


@dataclass(frozen=True, eq=False)
class Tracks:
    """Where each queried point is in every frame, and whether it can be seen.

    Attributes:
        xy: float32 [N, T, 2], raster pixels of the frames that were given.
        visible: bool [N, T].
        confidence: float32 [N, T] in [0, 1], or None where the method has none.

    Raises:
        ValueError: shapes do not agree, or `visible` is not boolean (threshold soft visibility first).
    """

    xy: npt.NDArray[np.float32]
    visible: npt.NDArray[np.bool_]
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


@dataclass(frozen=True, eq=False)
class Clip:
    """One video with ground-truth tracks. Frames are read when asked for, annotations are at hand.

    Attributes:
        id: unique in its dataset; also the name of its prediction file.
        size: (height, width) of the source frames.
        points: float32 or float64 [N, T, 2], (x, y) in units of the frame, (0, 0) to (1, 1), exactly as stored in the
            dataset: scaling happens once, in `tracks`, so that the numbers equal the reference reader's.
        occluded: bool [N, T].
        read: returns uint8 [T, H, W, 3] RGB at the source size.
        fps: frames per second, or None when the dataset does not say.
        part: part(start, stop) returns frames start … stop - 1 alone, so that a long clip need not be in memory at its
            source size; None where there is only `read`.
        annotated: bool [T], the frames that somebody annotated. Queries are asked in these alone and no other is scored;
            None: all of them.
        radius: float64 [T], how near a prediction must be to count for PCK, in pixels of the source; NaN where that is
            not known, None where the dataset has no such measure.
        asked: int64 [N], the frame each track is asked about in, where the dataset says so; None: the protocol chooses.
        encoded: the T frames as JPEG or PNG byte strings, where that is how they are stored; `data prepare` keeps them as
            they are.
        parallel: `part` may be called by several threads at once; otherwise one at a time does.

    Raises:
        ValueError: shapes or dtypes do not agree, or `occluded` holds something other than true and false (or 1 and 0).
    """

    id: str
    size: Size
    points: FloatArray
    occluded: npt.NDArray[np.bool_]
    read: Callable[[], npt.NDArray[np.uint8]]
    fps: float | None = None
    part: ReadPart | None = None
    annotated: npt.NDArray[np.bool_] | None = None
    radius: npt.NDArray[np.float64] | None = None
    asked: npt.NDArray[np.int64] | None = None
    encoded: Sequence[bytes] | None = None
    parallel: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "occluded", boolean_occlusion(self.points, self.occluded))
        tracks, num_frames = self.occluded.shape
        for name, values, length, kinds, dtype in (
            ("annotated", self.annotated, num_frames, "b", "boolean [T]"),
            ("radius", self.radius, num_frames, "f", "floating point [T]"),
            ("asked", self.asked, tracks, "iu", "integers [N]"),
        ):
            if values is not None and (values.dtype.kind not in kinds or values.shape != (length,)):
                raise ValueError(f"{name} must be {dtype}, here {length} of them, not {describe(values)}")

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return int(self.points.shape[1])

    def frames(self, size: Size | None = None) -> npt.NDArray[np.uint8]:
        """uint8 [T, H, W, 3] RGB, Lanczos-resized by Pillow to `size` (height, width); None: as stored.

        Frames are decoded and resized by several threads (`vgmae_bench.ahead`).
        """
        part = self.part
        if size is None or part is None or size == self.size:
            frames = self.read()
            return frames if size is None else resize_frames(frames, size)
        resized = np.empty((self.num_frames, *size, 3), dtype=np.uint8)
        turn = nullcontext() if self.parallel else Lock()

        def fill(start: int) -> None:
            stop = min(start + _BLOCK, self.num_frames)
            with turn:
                block = part(start, stop)
            resized[start:stop] = resize_frames(block, size)

        source_bytes = _BLOCK * 3 * self.size[0] * self.size[1]
        threads = min(read_threads(), max(1, read_memory() // source_bytes))
        for _ in made_ahead(range(0, self.num_frames, _BLOCK), fill, threads, threads if threads > 1 else 0):
            pass
        return resized

    def blocks(self, length: int) -> Iterator[npt.NDArray[np.uint8]]:
        """All frames in turn, up to `length` at a time, uint8 [·, H, W, 3] RGB at the source size."""
        part = self.part or _parts_of(self.read())
        for start in range(0, self.num_frames, length):
            yield part(start, min(start + length, self.num_frames))

    def cut(self, start: int, stop: int, clip_id: str) -> Clip:
        """Frames `start` … `stop` - 1 as a clip of their own, in which the protocol chooses what to ask."""
        kept = slice(start, stop)
        part = self.part or partial(_read_part, self.read)
        return replace(
            self,
            id=clip_id,
            points=self.points[:, kept],
            occluded=self.occluded[:, kept],
            read=partial(part, start, stop),
            part=partial(_shifted, part, start),
            annotated=None if self.annotated is None else self.annotated[kept],
            radius=None if self.radius is None else self.radius[kept],
            asked=None,
            encoded=None if self.encoded is None else self.encoded[kept],
        )

    def tracks(self, size: Size | None = None) -> npt.NDArray[np.float64]:
        """float64 [N, T, 2] ground-truth positions in raster pixels of frames of `size` (height, width)."""
        height, width = size or self.size
        return np.asarray(self.points * np.array([width, height]), dtype=np.float64)


def boolean_occlusion(points: object, occluded: object) -> npt.NDArray[np.bool_]:
    """`occluded` as booleans [N, T]. NumPy's `~` turns integers into other integers, so that 0 and 1 become booleans here.

    Raises:
        ValueError: `points` are not floating point [N, T, 2], or `occluded` is not [N, T] of true and false or 1 and 0.
    """
    if not isinstance(points, np.ndarray) or points.dtype.kind != "f" or points.ndim != 3 or points.shape[2] != 2:
        raise ValueError(f"points must be floating point [N, T, 2], not {describe(points)}")
    if not isinstance(occluded, np.ndarray) or occluded.dtype.kind not in "biu" or occluded.shape != points.shape[:2]:
        raise ValueError(f"occluded must be boolean {list(points.shape[:2])} like points, not {describe(occluded)}")
    if occluded.dtype.kind != "b" and (strange := np.setdiff1d(occluded, [0, 1])).size:
        raise ValueError(f"occluded must be true or false (or 1 or 0), and it holds {strange[0]}")
    return occluded.astype(bool)


def describe(value: object) -> str:
    """An array's dtype and shape, or the type of anything else, for messages."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return f"a {type(value).__name__}"


def _parts_of(frames: npt.NDArray[np.uint8]) -> ReadPart:
    return lambda start, stop: frames[start:stop]


def _read_part(read: Callable[[], npt.NDArray[np.uint8]], start: int, stop: int) -> npt.NDArray[np.uint8]:
    return read()[start:stop]


def _shifted(part: ReadPart, by: int, start: int, stop: int) -> npt.NDArray[np.uint8]:
    return part(start + by, stop + by)


class Tracker(Protocol):
    """The whole contract of a tracking plugin. What else a tracker may have, all optional: `Noted`, `SceneMaker`."""

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames` (uint8 [T, H, W, 3] RGB); answer each query independently of the others."""
        ...


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
