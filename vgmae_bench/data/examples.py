"""One video with tracks as a file holds it: checked once, never changed, frames decoded when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.data.video.frames import decode_frames, jpeg_size
from vgmae_bench.errors import BadDataError
from vgmae_bench.types import Clip, FloatArray, Size

ReadFrames = Callable[[int, int], npt.NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Example:
    """A video with its tracks, as stored.

    Attributes:
        size: (height, width) of the frames.
        num_frames: T.
        points: float [N, T, 2], (x, y) in units of the frame.
        occluded: bool [N, T].
        read: read(start, stop) returns frames start … stop - 1 as uint8 [·, H, W, 3] RGB: a read-only view where the
            file holds pixels, a new array where it holds JPEGs.
        encoded: the frames as JPEG or PNG byte strings, where that is how they are stored.
        fps, annotated, radius, asked: see `vgmae_bench.types.Clip`.
    """

    size: Size
    num_frames: int
    points: FloatArray
    occluded: npt.NDArray[np.bool_]
    read: ReadFrames
    encoded: Sequence[bytes] | None = None
    fps: float | None = None
    annotated: npt.NDArray[np.bool_] | None = None
    radius: npt.NDArray[np.float64] | None = None
    asked: npt.NDArray[np.int64] | None = None

    def clip(self, clip_id: str, make: type[Clip] = Clip) -> Clip:
        """The whole of it as a clip, of the class `make`."""
        return make(
            id=clip_id,
            size=self.size,
            points=self.points,
            occluded=self.occluded,
            read=partial(self.read, 0, self.num_frames),
            part=self.read,
            fps=self.fps,
            annotated=self.annotated,
            radius=self.radius,
            asked=self.asked,
        )

    def piece(self, start: int, stop: int) -> Example:
        """Frames `start` … `stop` - 1 alone, asked about as the protocol chooses."""
        kept = slice(start, stop)
        return replace(
            self,
            num_frames=stop - start,
            points=self.points[:, kept],
            occluded=self.occluded[:, kept],
            read=partial(_shifted, self.read, start),
            encoded=None if self.encoded is None else self.encoded[kept],
            annotated=None if self.annotated is None else self.annotated[kept],
            radius=None if self.radius is None else self.radius[kept],
            asked=None,
        )


def _shifted(read: ReadFrames, by: int, start: int, stop: int) -> npt.NDArray[np.uint8]:
    return read(start + by, stop + by)


def parse_example(raw: object, where: str) -> Example:
    """Check one entry of a TAP-Vid pickle.

    Arguments:
        raw: a dictionary with `video` (uint8 [T, H, W, 3], or T JPEG byte strings), `points` (float [N, T, 2]) and
            `occluded` (bool or integer [N, T]).
        where: names the clip and its file, for messages.

    Raises:
        BadDataError: something is missing or has another type, shape or length, or a visible point has no finite
            position. Unfinished numbers on occluded frames are harmless and allowed.
    """
    try:
        if not isinstance(raw, dict):
            raise _FaultError(f"it is {_describe(raw)}, not a dictionary of video, points and occluded")
        if missing := [key for key in ("video", "points", "occluded") if key not in raw]:
            raise _FaultError(f"it has no {', '.join(missing)}")
        size, num_frames, read, encoded = _video(raw["video"], where)
        points, occluded = check_tracks(raw["points"], raw["occluded"], num_frames)
    except _FaultError as fault:
        raise _bad(where, fault) from None
    return Example(size, num_frames, points, occluded, read, encoded)


class _FaultError(ValueError):
    """What is wrong with an example, without where it lies."""


def _bad(where: str, fault: Exception) -> BadDataError:
    return BadDataError(f"{where[:1].upper()}{where[1:]} cannot be used", str(fault))


def _video(video: object, where: str) -> tuple[Size, int, ReadFrames, Sequence[bytes] | None]:
    encoded = _jpeg_frames(video)
    if encoded is not None:
        try:
            size = jpeg_size(encoded[0])
        except ValueError as error:
            raise _FaultError(f"frame 0: {error}") from error

        def decode(start: int, stop: int) -> npt.NDArray[np.uint8]:
            try:
                return decode_frames(encoded[start:stop])
            except ValueError as error:
                raise _bad(where, error) from error

        return size, len(encoded), decode, encoded
    if not isinstance(video, np.ndarray) or video.dtype != np.uint8 or video.ndim != 4 or video.shape[3] != 3:
        raise _FaultError(f"video must be uint8 [T, H, W, 3] or a row of JPEG byte strings, not {_describe(video)}")
    if 0 in video.shape:
        raise _FaultError(f"video is empty: {_describe(video)}")
    pixels = video.view()
    pixels.flags.writeable = False  # a tracker that draws on its frames must not change the next one's
    return (video.shape[1], video.shape[2]), len(video), lambda start, stop: pixels[start:stop], None


def _jpeg_frames(video: object) -> Sequence[bytes] | None:
    """The byte strings of an encoded video, None for anything else. Padding NULs of a bytes array are already gone."""
    if isinstance(video, np.ndarray) and (video.ndim != 1 or video.dtype.kind not in "OS"):
        return None
    if isinstance(video, np.ndarray | list) and len(video) and all(isinstance(frame, bytes) for frame in video):
        return video  # type: ignore[return-value]  # a 1-D array of bytes indexes and slices like a sequence of them
    return None


def check_tracks(points: object, occluded: object, num_frames: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """points float [N, T, 2] and occluded bool [N, T] of a video of T frames, as `parse_example` wants them.

    Raises:
        ValueError: they are something else.
    """
    if not isinstance(points, np.ndarray) or points.dtype.kind != "f" or points.ndim != 3 or points.shape[2] != 2:
        raise _FaultError(f"points must be floating point [N, T, 2], not {_describe(points)}")
    if not isinstance(occluded, np.ndarray) or occluded.dtype.kind not in "biu" or occluded.shape != points.shape[:2]:
        raise _FaultError(f"occluded must be boolean {list(points.shape[:2])} like points, not {_describe(occluded)}")
    if points.shape[1] != num_frames:
        raise _FaultError(f"the video has {num_frames} frames, but points has {points.shape[1]}")
    hidden = occluded.astype(bool)
    lost = np.argwhere(~np.isfinite(points).all(axis=2) & ~hidden)
    if len(lost):
        track, frame = lost[0]
        raise _FaultError(
            f"track {track} is visible in frame {frame}, but its position is {points[track, frame].tolist()}"
        )
    return points, hidden


def check_asked(asked: npt.NDArray[np.int64] | None, points: FloatArray) -> None:
    """Raise ValueError unless there is a frame for each track of `points` [N, T, 2], in which it is somewhere."""
    if asked is None:
        return
    tracks, num_frames = points.shape[:2]
    if asked.shape != (tracks,) or not ((asked >= 0) & (asked < num_frames)).all():
        raise _FaultError(f"it needs one of {num_frames} frames to be asked about in for each of {tracks} tracks")
    if not np.isfinite(points[np.arange(tracks), asked]).all():
        raise _FaultError("a track is asked about where it has no position")


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return f"a {type(value).__name__}"
