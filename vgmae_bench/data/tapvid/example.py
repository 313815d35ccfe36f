"""Turns one entry of a TAP-Vid pickle into a clip. The entry is checked once; frames are decoded when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from vgmae_bench.data.checks import FaultError, bad_clip, check_frames, check_tracks
from vgmae_bench.data.video.frames import decode_frames, jpeg_size
from vgmae_bench.types import Clip, Size, describe


def parse_example(raw: object, clip_id: str, where: str, dataset: str = "") -> Clip:
    """Check one entry of a TAP-Vid pickle.

    Arguments:
        raw: a dictionary with `video` (uint8 [T, H, W, 3], or T JPEG byte strings), `points` (float [N, T, 2], units of
            the frame) and `occluded` (bool or 0 and 1, [N, T]).
        clip_id: the id of the clip.
        where: names the clip and its file, for messages.
        dataset: the dataset's name, for the command to try.

    Returns:
        The clip. Frames are a read-only view if the file holds pixels, a new array if it holds JPEGs.

    Raises:
        BadDataError: the entry has a fault, see `vgmae_bench.data.checks`.
    """
    try:
        if not isinstance(raw, dict):
            raise FaultError(f"it is {describe(raw)}, not a dictionary of video, points and occluded")
        if missing := [key for key in ("video", "points", "occluded") if key not in raw]:
            raise FaultError(f"it has no {', '.join(missing)}")
        encoded = _jpeg_frames(raw["video"])
        if encoded is None:
            pixels = check_frames(raw["video"]).view()
            pixels.flags.writeable = False  # a tracker that writes to its frames must not change those of the next one
            num_frames, height, width, _ = pixels.shape
        else:
            num_frames, (height, width) = len(encoded), jpeg_size(encoded[0])
        points, occluded = check_tracks(raw["points"], raw["occluded"], num_frames, (height, width))
    except ValueError as fault:
        raise bad_clip(f"{where[:1].upper()}{where[1:]} cannot be used", fault, dataset) from fault

    def part(start: int, stop: int, size: Size | None = None) -> npt.NDArray[np.uint8]:
        return pixels[start:stop] if encoded is None else decode_frames(encoded[start:stop], resized=size)

    return Clip(
        clip_id,
        (height, width),
        points,
        occluded,
        partial(part, 0, num_frames),
        part=part,
        encoded=encoded,
        parallel=True,
        resized=None if encoded is None else part,
    )


def _jpeg_frames(video: object) -> Sequence[bytes] | None:
    """The byte strings of an encoded video; None for anything else. NumPy has already removed padding NULs of bytes arrays."""
    if isinstance(video, np.ndarray) and (video.ndim != 1 or video.dtype.kind not in "OS"):
        return None
    if isinstance(video, np.ndarray | list) and len(video) and all(isinstance(frame, bytes) for frame in video):
        return video  # type: ignore[return-value]  # a 1-D array of bytes indexes and slices like a sequence of them
    return None
