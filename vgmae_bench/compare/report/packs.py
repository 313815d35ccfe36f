"""What a player shows, small enough to be kept with the records of runs: frames as JPEG, tracks in sixteenths of a pixel.

results/<dataset>-<protocol>/
    players/<protocol digest>/<clip>.npz      frames and truth, once for all runs
    <method>/<run key>/players/<clip>.npz     the tracks of one run
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vgmae_bench.coordinates import rescale
from vgmae_bench.data.video.frames import jpeg_size
from vgmae_bench.errors import BadDataError
from vgmae_bench.evaluation.protocols import EvalProtocol, Question
from vgmae_bench.evaluation.store import RunFolder, file_name
from vgmae_bench.files import storage_errors, write_atomically
from vgmae_bench.resizing import resize_frames
from vgmae_bench.types import FloatArray, Size, Tracks

SUBPIXELS = 16
"""Positions are kept in 1/16 px of the metric raster."""
NOWHERE = np.iinfo(np.int16).min
"""Kept for a coordinate that is not finite."""

KEPT_BYTES = 128_000
"""What the frames of a clip may take when they are kept; the tracks add some 5 kB a run."""
FRAME_BYTES, CLIP_BYTES = 11_000, 1_000_000
"""What a frame, and all frames of a clip, may take on average in a report."""
_WAYS = (
    (1, 256, 75), (1, 192, 75), (1, 192, 60), (1, 192, 45), (1, 160, 45), (2, 160, 45), (3, 160, 45), (4, 160, 45),
    (6, 160, 45), (8, 128, 40), (12, 128, 40),
)  # fmt: skip
"""(every n-th frame, longer side in px, JPEG quality), tried in this order until a clip fits; the last is taken anyway."""


@dataclass(frozen=True, eq=False)
class Footage:
    """Frames and truth of a clip: of P tracks in F of its frames.

    Attributes:
        jpegs: F frames, all of one size.
        shape: (height, width) of the source, whose aspect ratio is shown.
        raster: (height, width) of the metric raster, in which positions are given.
        num_frames: of the whole clip.
        frames: int64 [F], which of them these are.
        fps: of the whole clip; 0 where it is not known.
        query: int64 [P], which of the question's queries are shown: the first one of each track.
        query_frame: int64 [P], counted in the whole clip.
        xy: int16 [P, F, 2], 1/16 px of the metric raster; NOWHERE in frames that nobody annotated.
        visible: bool [P, F].
    """

    jpegs: list[bytes]
    shape: Size
    raster: Size
    num_frames: int
    frames: npt.NDArray[np.int64]
    fps: float
    query: npt.NDArray[np.int64]
    query_frame: npt.NDArray[np.int64]
    xy: npt.NDArray[np.int16]
    visible: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A run's tracks, to be drawn over footage: xy int16 [P, F, 2] and visible bool [P, F] as there."""

    xy: npt.NDArray[np.int16]
    visible: npt.NDArray[np.bool_]


def film(
    frames: npt.NDArray[np.uint8],
    question: Question,
    protocol: EvalProtocol,
    *,
    shape: Size,
    fps: float | None,
    max_points: int,
    max_bytes: int,
) -> Footage:
    """Footage of a question.

    Arguments:
        frames: uint8 [T, H, W, 3], as the tracker got them.
        shape: (height, width) of the source.
        max_points: of the tracks, so many are taken evenly.
        max_bytes: for the JPEGs together, as far as lower quality, smaller and fewer frames can do it.
    """
    _, first = np.unique(question.track, return_index=True)  # a track's queries come by frame
    query = first[evenly(len(first), max_points)]
    for every, side, quality in _WAYS:
        jpegs = _compress(frames[::every], side, quality)
        if sum(map(len, jpegs)) <= max_bytes:
            break
    shown = np.arange(0, len(frames), every)
    rows = question.track[query]
    xy = question.target_xy[rows].copy()
    if question.annotated is not None:
        xy[:, ~question.annotated] = np.nan
    return Footage(
        jpegs=jpegs,
        shape=shape,
        raster=protocol.metric_size,
        num_frames=len(frames),
        frames=shown,
        fps=float(fps or 0),
        query=query,
        query_frame=question.queries.frame[query],
        xy=_whole(xy[:, shown]),
        visible=~question.target_occluded[rows][:, shown],
    )


def evenly(number: int, most: int) -> npt.NDArray[np.int64]:
    """Of 0 … number - 1, at most so many, evenly spread and ascending."""
    return np.unique(np.linspace(0, number - 1, min(most, number)).round().astype(np.int64))


def draw_over(footage: Footage, tracks: Tracks, protocol: EvalProtocol) -> Drawn:
    """A run's answers to the queries that the footage shows.

    Raises:
        BadDataError: the tracks are not of this clip.
    """
    points, frames = tracks.visible.shape
    if frames != footage.num_frames or footage.query.max() >= points:
        raise BadDataError("A prediction does not fit its clip", f"it has {points} tracks of {frames} frames")
    xy = rescale(tracks.xy[footage.query][:, footage.frames], protocol.input_size, protocol.metric_size)
    return Drawn(_whole(xy), tracks.visible[footage.query][:, footage.frames])


def footage_path(run: RunFolder, protocol_digest: str, clip_id: str) -> Path:
    """Where frames and truth of a clip are kept, for a run and all those beside it."""
    return run.path.parent.parent / "players" / protocol_digest[:8] / f"{file_name(clip_id)}.npz"


def drawn_path(run: RunFolder, clip_id: str) -> Path:
    """Where the tracks of a run are kept."""
    return run.path / "players" / f"{file_name(clip_id)}.npz"


def keep_footage(path: Path, footage: Footage) -> None:
    """Write footage. The bytes depend on nothing but the footage."""
    lengths = [len(jpeg) for jpeg in footage.jpegs]
    numbers = {name: getattr(footage, name) for name in _NUMBERS}
    packed = np.packbits(footage.visible, axis=None)
    jpegs = np.frombuffer(b"".join(footage.jpegs), dtype=np.uint8)
    _write(path, **numbers, xy=footage.xy, visible=packed, lengths=lengths, jpegs=jpegs)


def keep_drawn(path: Path, drawn: Drawn, footage: Footage) -> None:
    """Write a run's tracks, with what they belong to."""
    packed = np.packbits(drawn.visible, axis=None)
    _write(path, query=footage.query, frames=footage.frames, xy=drawn.xy, visible=packed)


def read_footage(path: Path) -> Footage:
    """Footage as it was kept.

    Raises:
        FileNotFoundError: it was not.
        BadDataError: the file is damaged.
    """
    with _reading(path) as file:
        lengths = _checked(file["lengths"], (None,), "iu")
        jpegs = [part.tobytes() for part in np.split(file["jpegs"], np.cumsum(lengths)[:-1])]
        if len({jpeg_size(jpeg) for jpeg in jpegs}) != 1:
            raise ValueError("frames of different sizes")
        frames = _checked(file["frames"], (len(jpegs),), "i")
        query = _checked(file["query"], (None,), "i")
        height, width = (int(number) for number in _checked(file["shape"], (2,), "i"))
        raster_height, raster_width = (int(number) for number in _checked(file["raster"], (2,), "i"))
        drawn = _drawn(file, len(query), len(frames))
        return Footage(
            jpegs=jpegs,
            shape=(height, width),
            raster=(raster_height, raster_width),
            num_frames=int(file["num_frames"]),
            frames=frames,
            fps=float(file["fps"]),
            query=query,
            query_frame=_checked(file["query_frame"], (len(query),), "i"),
            xy=drawn.xy,
            visible=drawn.visible,
        )


def read_drawn(path: Path, footage: Footage) -> Drawn:
    """A run's tracks as they were kept.

    Raises:
        FileNotFoundError: they were not.
        BadDataError: the file is damaged, or belongs to other footage.
    """
    with _reading(path) as file:
        for name in ("query", "frames"):
            if not np.array_equal(file[name], getattr(footage, name)):
                raise ValueError("it was kept for other footage")
        return _drawn(file, len(footage.query), len(footage.frames))


_NUMBERS = ("shape", "raster", "num_frames", "frames", "fps", "query", "query_frame")


def _drawn(file: Any, points: int, frames: int) -> Drawn:
    xy = _checked(file["xy"], (points, frames, 2), "i").astype(np.int16)
    bits = _checked(file["visible"], (-(-points * frames // 8),), "u")
    return Drawn(xy, np.unpackbits(bits, count=points * frames).astype(bool).reshape(points, frames))


def _checked(array: npt.NDArray[Any], shape: tuple[int | None, ...], kinds: str) -> npt.NDArray[Any]:
    fits = len(shape) == array.ndim and all(want in (None, has) for want, has in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in kinds:
        raise ValueError(f"an array is {array.dtype} {list(array.shape)}")
    return array


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            yield file
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise BadDataError(f"{path} cannot be read", str(error), try_=f"rm '{path}'") from error


def _write(path: Path, **arrays: Any) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # a file, for np.savez would add .npz to a name
            np.savez_compressed(file, **arrays)

    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write)


def _whole(xy: FloatArray) -> npt.NDArray[np.int16]:
    """Pixels as whole sixteenths; far outside stays far outside."""
    reach = np.iinfo(np.int16).max
    scaled = np.where(np.isfinite(xy), np.clip(np.round(xy * SUBPIXELS), -reach, reach), NOWHERE)
    whole: npt.NDArray[np.int16] = scaled.astype(np.int16)
    return whole


def _compress(frames: npt.NDArray[np.uint8], side: int, quality: int) -> list[bytes]:
    height, width = frames.shape[1:3]
    scale = min(1.0, side / max(height, width))
    small = resize_frames(frames, (max(1, round(height * scale)), max(1, round(width * scale))))
    return [_jpeg(frame, quality) for frame in small]


def _jpeg(frame: npt.NDArray[np.uint8], quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="JPEG", quality=quality, optimize=True)
    return file.getvalue()
