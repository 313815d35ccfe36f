"""One check for every clip: do its tracks and frames have the right form, and are its numbers plausible?

Readers that know a file's unit call `check_tracks`. `open_dataset` and `data prepare` call `checked_clip` for every
clip. An error names the likely reason and a command to try.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from vgmae_bench.errors import FaultError, damage
from vgmae_bench.types import BoolArray, Clip, FloatArray, Size, Uint8Array, boolean_occlusion, describe

Unit = Literal["fractions", "pixels"]
"""The unit of a file: fractions of the frame from (0, 0) to (1, 1), or raster pixels."""

FAR = 0.5
"""How far outside the frame a visible point may lie, in units of the frame. Annotators and generators overshoot a little."""
_UNITS = {"fractions": "fractions of the frame, from (0, 0) to (1, 1), are expected", "pixels": "pixels are expected"}


def check_tracks(
    points: object, occluded: object, num_frames: int, size: Size, unit: Unit = "fractions"
) -> tuple[FloatArray, BoolArray]:
    """Check the tracks of a file. Returns points, float [N, T, 2] in units of the frame, and occluded, bool [N, T].

    Positions of hidden points may be infinite or NaN.

    Arguments:
        points: in units of the frame.
        occluded: true if a point is hidden. Integers 1 and 0 are accepted.
        num_frames: T of the video.
        size: (height, width) of its frames.
        unit: the unit that the file should have, for the message.

    Raises:
        ValueError: a wrong dtype or shape.
        FaultError: a wrong length; a visible point without a finite position; or impossible positions. Impossible
            positions probably have another unit, exchanged x and y, or another frame size.
    """
    hidden = boolean_occlusion(points, occluded)
    assert isinstance(points, np.ndarray)  # other types were refused above
    if points.shape[1] != num_frames:
        raise FaultError(f"the video has {num_frames} frames, but points has {points.shape[1]}")
    lost = np.argwhere(~np.isfinite(points).all(axis=2) & ~hidden)
    if len(lost):
        track, frame = lost[0]
        raise FaultError(
            f"track {track} is visible in frame {frame}, but its position is {points[track, frame].tolist()}",
            "marking points without a position as hidden",
        )
    _check_positions(points, hidden, size, unit)
    return points, hidden


def check_frames(frames: object, shape: tuple[int, int, int] | None = None) -> Uint8Array:
    """Frames as uint8 [T, H, W, 3] RGB.

    Arguments:
        shape: the expected (T, H, W); None: any.

    Raises:
        FaultError: the frames have another form. The message says what they look like.
    """
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise FaultError(f"video must be uint8 [T, H, W, 3], not {describe(frames)}{_what_frames_look_like(frames)}")
    if 0 in frames.shape:
        raise FaultError(f"video is empty: {describe(frames)}")
    if shape is None or frames.shape[:3] == shape:
        return frames
    if len(frames) != shape[0]:
        raise FaultError(f"the video has {len(frames)} frames, but points has {shape[0]}")
    (_, height, width), found = shape, frames.shape
    why = "; size is (height, width)" if (width, height) == found[1:3] else ""
    raise FaultError(f"its frames are {found[2]} × {found[1]} pixels, but its size says {width} × {height}{why}")


def checked_clip(clip: Clip, where: str, dataset: str) -> Clip:
    """The clip with checked annotations. Its frames are checked whenever they are read.

    Arguments:
        where: the start of messages: 'Clip "bear" of davis cannot be used'.
        dataset: the dataset's name, for the command to try.

    Raises:
        BadDataError: the clip has a fault.
    """
    size: Any = clip.size
    tracks, num_frames = clip.points.shape[:2]
    with damage(where, dataset):
        if len(size) != 2 or not all(isinstance(length, int | np.integer) and length > 0 for length in size):
            raise FaultError(f"size must be (height, width), two whole numbers of pixels, not {size}")
        check_tracks(clip.points, clip.occluded, num_frames, size)
        if clip.asked is not None:
            if clip.asked.shape != (tracks,) or not ((clip.asked >= 0) & (clip.asked < num_frames)).all():
                raise FaultError(
                    f"asked must hold a frame number from 0 to {num_frames - 1} for each of {tracks} tracks"
                )
            if not np.isfinite(clip.points[np.arange(tracks), clip.asked]).all():
                raise FaultError("a track has no position in its query frame")
        if clip.radius is not None and ((clip.radius < 0) | np.isinf(clip.radius)).any():
            raise FaultError("radius holds a negative or infinite number of pixels")
        if clip.fps is not None and not 0 < clip.fps < float("inf"):
            raise FaultError(f"fps is {clip.fps}")
        if clip.encoded is not None and len(clip.encoded) != num_frames:
            raise FaultError(f"the video has {len(clip.encoded)} frames, but points has {num_frames}")
        # A plugin's subclass can have another constructor, which raises.
        whole = (num_frames, *clip.size)
        part = clip.part and partial(_checked_frames, clip.part, where, whole)
        resized = clip.resized and partial(_checked_frames, clip.resized, where, whole)
        return replace(clip, read=partial(_checked_frames, clip.read, where, whole), part=part, resized=resized)


def _checked_frames(
    read: Callable[..., Uint8Array], where: str, whole: tuple[int, int, int], *asked: Any
) -> Uint8Array:
    """Call a function that reads frames, and check them. `asked` is empty, (start, stop), or (start, stop, size)."""
    all_frames: tuple[Any, ...] = (0, whole[0], whole[1:])
    start, stop, size = asked + all_frames[len(asked) :]
    with damage(where):
        return check_frames(read(*asked), (stop - start, *size))


def _check_positions(points: FloatArray, hidden: BoolArray, size: Size, unit: Unit) -> None:
    """Raise FaultError if visible positions are impossible. They are finite, in units of the frame."""
    height, width = size
    frame = np.array([width, height], dtype=np.float64)
    shown = points[~hidden].astype(np.float64)
    if not len(shown):
        return
    in_corner = (np.abs(shown) * frame <= 1).all(axis=1).mean()
    if in_corner > 0.5 and len(shown) > 1 and min(size) > 2:
        why, remedy = (
            ("they look like fractions of the frame", f"x * {width} and y * {height}")
            if unit == "pixels"
            else ("they look divided by the size of the frame twice", f"points * [{width}, {height}]")
        )
        share = "all" if in_corner == 1 else f"{in_corner:.0%}"
        raise FaultError(
            f"{share} of the visible positions lie within a pixel of the corner (0, 0); {why}, and " + _UNITS[unit],
            remedy,
        )
    nowhere = (shown == 0).all(axis=1)
    if nowhere.sum() > 1:
        track, number = np.argwhere(~hidden)[np.flatnonzero(nowhere)[0]]
        raise FaultError(
            f"{nowhere.sum()} of {len(shown)} visible positions are exactly (0, 0), the first of them, track {track} in frame "
            f"{number}; programs write (0, 0) where a point has no position",
            "marking points without a position as hidden",
        )
    far, outside = _outside(shown, FAR), _outside(shown, 0.1)
    exchanged = (
        outside.sum() > 2 and outside.mean() > 0.1 and not _outside((shown * frame)[:, ::-1] / frame, 0.02).any()
    )
    if not far.any() and not exchanged:
        return
    bad = outside if exchanged else far
    track, number = np.argwhere(~hidden)[np.flatnonzero(bad)[0]]
    x, y = shown[np.flatnonzero(bad)[0]] * frame
    if exchanged:
        why, remedy = "x and y look exchanged: (x, y) is expected", "points[..., ::-1]"
    else:
        why, remedy = _likely_reason(shown, points[hidden & np.isfinite(points).all(axis=2)], frame, unit)
    raise FaultError(
        f"{bad.sum()} of {len(shown)} visible positions lie {'' if exchanged else 'far '}outside the frame, the first of "
        f"them, track {track} in frame {number}, at ({x:.6g}, {y:.6g}) in {width} × {height} pixels; {why}",
        remedy,
    )


def _likely_reason(shown: FloatArray, unseen: FloatArray, frame: FloatArray, unit: Unit) -> tuple[str, str]:
    """Why visible positions lie outside the frame, and what to try. Positions [M, 2] are in units of the frame."""
    width, height = (int(length) for length in frame)
    if unit == "fractions" and (shown < -0.1).any(axis=1).mean() > 0.1 and not _outside((shown + 1) / 2, 0.01).any():
        return f"they look like fractions from -1 to 1, and {_UNITS[unit]}", "(points + 1) / 2"
    if unit == "fractions" and min(width, height) > 256 and not _outside(shown / 256, 1 / 256).any():
        return f"they look like pixels of frames of 256 × 256, and {_UNITS[unit]}", "points / 256"
    if unit == "fractions" and (np.abs(shown).max(axis=1) > 1 + FAR).mean() > 0.5:
        return f"they look like pixels, and {_UNITS[unit]}", f"points / [{width}, {height}]"
    if len(unseen) and _outside(shown, 0.0).mean() > 0.5 and not _outside(unseen, 1 / frame).any():
        return "occluded looks inverted: it is true where a point is hidden", "~occluded"
    if unit == "pixels" and not _outside(shown * frame / 256, 1 / 256).any():
        return "they look like pixels of frames of 256 × 256", f"x * {width / 256:g} and y * {height / 256:g}"
    return "a point outside the frame cannot be visible", "marking such points as hidden, or correcting their positions"


def _outside(positions: FloatArray, margin: float | FloatArray) -> BoolArray:
    """bool [M]: which of the positions [M, 2], in units of the frame, lie outside it by more than a margin."""
    return np.asarray(((positions < -margin) | (positions > 1 + margin)).any(axis=1))


def _what_frames_look_like(frames: object) -> str:
    if not isinstance(frames, np.ndarray):
        return ""
    if frames.dtype.kind == "f" and frames.size:
        unit = np.nanmin(frames) >= 0 and np.nanmax(frames) <= 1
        return (
            "; its values are from 0 to 1: (video * 255).round().astype(np.uint8)"
            if unit
            else "; its values are not whole"
        )
    if frames.ndim == 3:
        return "; it looks grey: np.repeat(video[..., None], 3, axis=-1)"
    if frames.ndim == 4 and frames.shape[3] == 4:
        return "; it has a fourth channel: video[..., :3]"
    if frames.ndim == 4 and frames.shape[1] == 3:
        return "; its channels come first: video.transpose(0, 2, 3, 1)"
    return ""
