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
from vgmae_bench.types.tracks import BoolArray, FloatArray, Uint8Array

_BLOCK = 8
"""Number of frames that are in memory at the source size while a clip is resized."""

ReadPart = Callable[[int, int], Uint8Array]
"""read(start, stop) returns frames start … stop - 1 of a clip, uint8 [·, H, W, 3] RGB."""

ReadResized = Callable[[int, int, Size], Uint8Array]
"""read(start, stop, size) returns these frames after `vgmae_bench.resizing.resize_frames`."""


@dataclass(frozen=True, eq=False)
class Clip:
    """One video with ground-truth tracks. Annotations are in memory. Frames are read on request.

    Attributes:
        id: unique in its dataset; also the name of its prediction file.
        size: (height, width) of the source frames.
        points: float32 or float64 [N, T, 2], (x, y) as fractions of the frame, (0, 0) to (1, 1), exactly as stored in the
            dataset. Only `tracks` scales them, so that the positions equal the reference reader's.
        occluded: bool [N, T].
        read: returns uint8 [T, H, W, 3] RGB at the source size.
        fps: frames per second, or None if unknown.
        part: part(start, stop) returns only frames start … stop - 1, uint8 RGB at the source size. A long clip then needs
            little memory. None: the clip has only `read`.
        annotated: bool [T], the annotated frames. Only these frames have queries and are scored. None: all frames.
        radius: float64 [T], the largest error of a correct prediction for PCK, in pixels of the source; NaN in frames
            where it is unknown; None if the dataset does not define it.
        asked: int64 [N], the query frame of each track; None: the protocol chooses the query frames.
        encoded: the T frames as JPEG or PNG byte strings, if the dataset stores them so. `data prepare` keeps these bytes.
        parallel: several threads may call `part` and `resized` at once; otherwise only one thread calls them at a time.
        resized: resized(start, stop, size) returns the frames of `part` at another size, for formats that can resize while
            decoding. The frames are bit-identical to resized frames of `part`.

    Raises:
        ValueError: shapes or dtypes do not agree, or `occluded` contains other values than true and false (or 1 and 0).
    """

    id: str
    size: Size
    points: FloatArray
    occluded: BoolArray
    read: Callable[[], Uint8Array]
    fps: float | None = None
    part: ReadPart | None = None
    annotated: BoolArray | None = None
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

    def __repr__(self) -> str:
        height, width = self.size
        return f"<Clip {self.id}: {self.num_frames} frames of {width}×{height}, {len(self.points)} tracks>"

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return int(self.points.shape[1])

    def frames(self, size: Size | None = None) -> Uint8Array:
        """All frames, uint8 [T, H, W, 3] RGB, resized to `size` (height, width) with Pillow's Lanczos; None: source size.

        Several threads decode and resize the frames (`vgmae_bench.ahead`).
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

    def blocks(self, length: int) -> Iterator[Uint8Array]:
        """All frames in order, in blocks of up to `length` frames, uint8 [·, H, W, 3] RGB at the source size."""
        part = self.part or _parts_of(self.read())
        for start in range(0, self.num_frames, length):
            yield part(start, min(start + length, self.num_frames))

    def cut(self, start: int, stop: int, clip_id: str) -> Clip:
        """Frames `start` … `stop` - 1 as a new clip. The protocol chooses its query frames."""
        kept = slice(start, stop)
        part = self.part or (lambda first, last: self.read()[first:last])
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


def boolean_occlusion(points: object, occluded: object) -> BoolArray:
    """`occluded` as bool [N, T]. Integers 0 and 1 must become booleans, because NumPy's `~` changes them to -1 and -2.

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
    """The dtype and shape of an array, or the type of another object, for messages."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return f"a {type(value).__name__}"


def _parts_of(frames: Uint8Array) -> ReadPart:
    return lambda start, stop: frames[start:stop]


def _shifted(part: Callable[..., Uint8Array], by: int, start: int, stop: int, *size: Size) -> Uint8Array:
    return part(start + by, stop + by, *size)
