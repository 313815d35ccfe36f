"""One video with ground-truth tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

import numpy as np
import numpy.typing as npt

from vgmae_bench.ahead import made_ahead, read_memory, read_threads
from vgmae_bench.resizing import Size, resize_frames
from vgmae_bench.types.tracks import FloatArray

_BLOCK = 8
"""Frames of a clip that are in memory at the source size while it is resized."""

ReadPart = Callable[[int, int], npt.NDArray[np.uint8]]
"""read(start, stop) returns frames start … stop - 1 of a clip, uint8 [·, H, W, 3] RGB."""

ReadResized = Callable[[int, int, Size], npt.NDArray[np.uint8]]
"""read(start, stop, size) returns these frames after `vgmae_bench.resizing.resize_frames`."""


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
        parallel: `part` and `resized` may be called by several threads at once; otherwise one at a time does.
        resized: the frames of `part` at another size, for formats that can resize them while they are decoded. They are
            bit-identical to resized frames of `part`.

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
    resized: ReadResized | None = None

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
        resized, read_resized = np.empty((self.num_frames, *size, 3), dtype=np.uint8), self.resized
        turn = nullcontext() if self.parallel else Lock()

        def fill(start: int) -> None:
            stop = min(start + _BLOCK, self.num_frames)
            with turn:
                block = part(start, stop) if read_resized is None else read_resized(start, stop, size)
            resized[start:stop] = resize_frames(block, size) if read_resized is None else block

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
            resized=None if self.resized is None else partial(_shifted, self.resized, start),
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


def _shifted(
    part: Callable[..., npt.NDArray[np.uint8]], by: int, start: int, stop: int, *size: Size
) -> npt.NDArray[np.uint8]:
    return part(start + by, stop + by, *size)
