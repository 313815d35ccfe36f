"""The things that travel through the harness: clips, queries, tracks.

Coordinates have one convention everywhere: raster pixels (x, y), (0, 0) the outer corner of the top-left pixel, (W, H)
that of the bottom-right one, pixel centres at +0.5. Code that samples images at integer centres subtracts 0.5 itself.
Sizes are (height, width), as in array shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vgmae_bench.resizing import Size as Size
from vgmae_bench.resizing import resize_frames

if TYPE_CHECKING:
    from vgmae_bench.config import Json

_BLOCK = 8
"""Frames of a clip that are in memory at the source size while it is resized."""

FloatArray = npt.NDArray[np.floating[Any]]


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
    """

    id: str
    size: Size
    points: FloatArray
    occluded: npt.NDArray[np.bool_]
    read: Callable[[], npt.NDArray[np.uint8]]
    fps: float | None = None
    part: Callable[[int, int], npt.NDArray[np.uint8]] | None = None
    annotated: npt.NDArray[np.bool_] | None = None
    radius: npt.NDArray[np.float64] | None = None
    asked: npt.NDArray[np.int64] | None = None

    @property
    def num_frames(self) -> int:
        return int(self.points.shape[1])

    def frames(self, size: Size | None = None) -> npt.NDArray[np.uint8]:
        """uint8 [T, H, W, 3] RGB, Lanczos-resized by Pillow to `size` (height, width); None: as stored."""
        if size is None or self.part is None or size == self.size:
            frames = self.read()
            return frames if size is None else resize_frames(frames, size)
        resized = np.empty((self.num_frames, *size, 3), dtype=np.uint8)
        for start in range(0, self.num_frames, _BLOCK):
            stop = min(start + _BLOCK, self.num_frames)
            resized[start:stop] = resize_frames(self.part(start, stop), size)
        return resized

    def tracks(self, size: Size | None = None) -> npt.NDArray[np.float64]:
        """float64 [N, T, 2] ground-truth positions in raster pixels of frames of `size` (height, width)."""
        height, width = size or self.size
        return np.asarray(self.points * np.array([width, height]), dtype=np.float64)


class Tracker(Protocol):
    """The whole contract of a tracking plugin."""

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames` (uint8 [T, H, W, 3] RGB); answer each query independently of the others."""
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


class Dataset(Protocol):
    """A set of clips, opened lazily: `clip(id)` costs that clip's memory and little else.

    Attributes:
        ids: clip ids in evaluation order.
        digest: SHA-256 (hex) of what the scores depend on; part of the protocol hash.
        options: the settings the set was opened with, for the record.
    """

    @property
    def ids(self) -> Sequence[str]: ...

    @property
    def digest(self) -> str: ...

    @property
    def options(self) -> dict[str, Json]: ...

    def clip(self, clip_id: str) -> Clip: ...


def iterate(dataset: Dataset) -> Iterator[Clip]:
    """Clips of a dataset in evaluation order, one in memory at a time."""
    for clip_id in dataset.ids:
        yield dataset.clip(clip_id)
