"""The files that players read, small enough to commit with runs: frames as JPEG, tracks in 1/16 px.

results/<dataset>-<protocol>/
    players/<protocol digest>/<clip>.npz      frames and ground truth, once for all runs
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

from vgmae_bench.data.video.frames import jpeg_size
from vgmae_bench.errors import BadDataError
from vgmae_bench.evaluation.protocols import EvalProtocol, QuerySet
from vgmae_bench.evaluation.store import RunFolder, file_name
from vgmae_bench.files import make_folder, write_npz
from vgmae_bench.resizing import resize_frames
from vgmae_bench.types import FloatArray, Size, Tracks, rescale

SUBPIXELS = 16
"""Units per pixel of the metric raster, in which positions are stored."""
NO_POSITION = np.iinfo(np.int16).min
"""Stored for a coordinate that is not finite."""

KEPT_BYTES = 128_000
"""Largest size of a clip's frames in a kept file. The tracks of a run add about 5 kB."""
FRAME_BYTES, CLIP_BYTES = 11_000, 1_000_000
"""Largest sizes in a report: of a frame, on average over a clip, and of all frames of a clip."""
_JPEG_SETTINGS = (
    (1, 256, 75), (1, 192, 75), (1, 192, 60), (1, 192, 45), (1, 160, 45), (2, 160, 45), (3, 160, 45), (4, 160, 45),
    (6, 160, 45), (8, 128, 40), (12, 128, 40),
)  # fmt: skip
"""(every n-th frame, longer side in px, JPEG quality): tried in this order until a clip fits, or else the last."""


@dataclass(frozen=True, eq=False)
class PlayerTracks:
    """P tracks in F frames.

    Attributes:
        xy: int16 [P, F, 2], 1/16 px of the metric raster; NO_POSITION where a coordinate is not finite or not annotated.
        visible: bool [P, F].
    """

    xy: npt.NDArray[np.int16]
    visible: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PlayerClip:
    """Frames and ground truth of a clip: P tracks in F of its frames.

    Attributes:
        jpegs: F frames, all of one size.
        shape: (height, width) of the source, for the aspect ratio.
        raster: (height, width) of the metric raster, in which positions are given.
        num_frames: how many frames the whole clip has.
        frames: int64 [F], the frames' numbers in the whole clip.
        fps: frame rate of the whole clip; 0 if unknown.
        query: int64 [P], the shown queries, as indices into the query set: the first query of each track.
        query_frame: int64 [P], frame numbers in the whole clip.
        truth: the ground truth.
    """

    jpegs: list[bytes]
    shape: Size
    raster: Size
    num_frames: int
    frames: npt.NDArray[np.int64]
    fps: float
    query: npt.NDArray[np.int64]
    query_frame: npt.NDArray[np.int64]
    truth: PlayerTracks


def make_clip(
    frames: npt.NDArray[np.uint8],
    query_set: QuerySet,
    protocol: EvalProtocol,
    *,
    shape: Size,
    fps: float | None,
    max_points: int,
    max_bytes: int,
) -> PlayerClip:
    """Make the frames and ground truth of a player.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB, the tracker's input.
        shape: (height, width) of the source.
        max_points: how many tracks to take, evenly spread.
        max_bytes: for all JPEGs together, reached by lower quality, then smaller and fewer frames where possible.
    """
    _, first = np.unique(query_set.track, return_index=True)  # a track's queries are sorted by frame
    query = first[spread_evenly(len(first), max_points)]
    for every, side, quality in _JPEG_SETTINGS:
        jpegs = _compress(frames[::every], side, quality)
        if sum(map(len, jpegs)) <= max_bytes:
            break
    shown = np.arange(0, len(frames), every)
    rows = query_set.track[query]
    xy = query_set.target_xy[rows].copy()
    if query_set.annotated is not None:
        xy[:, ~query_set.annotated] = np.nan
    return PlayerClip(
        jpegs=jpegs,
        shape=shape,
        raster=protocol.metric_size,
        num_frames=len(frames),
        frames=shown,
        fps=float(fps or 0),
        query=query,
        query_frame=query_set.queries.frame[query],
        truth=PlayerTracks(_to_subpixels(xy[:, shown]), ~query_set.target_occluded[rows][:, shown]),
    )


def spread_evenly(number: int, most: int) -> npt.NDArray[np.int64]:
    """At most `most` of the numbers 0 … number - 1, evenly spread and ascending."""
    return np.unique(np.linspace(0, number - 1, min(most, number)).round().astype(np.int64))


def make_tracks(clip: PlayerClip, predicted: Tracks, protocol: EvalProtocol) -> PlayerTracks:
    """Take a run's tracks of the queries that a player shows.

    Raises:
        BadDataError: the tracks are of another clip.
    """
    points, frames = predicted.visible.shape
    if frames != clip.num_frames or clip.query.max() >= points:
        raise BadDataError("A prediction does not fit its clip", f"it has {points} tracks of {frames} frames")
    xy = rescale(predicted.xy[clip.query][:, clip.frames], protocol.input_size, protocol.metric_size)
    return PlayerTracks(_to_subpixels(xy), predicted.visible[clip.query][:, clip.frames])


def clip_path(run: RunFolder, protocol_digest: str, clip_id: str) -> Path:
    """The file of a clip's frames and ground truth, shared by the runs of one protocol."""
    return run.path.parent.parent / "players" / protocol_digest[:8] / f"{file_name(clip_id)}.npz"


def tracks_path(run: RunFolder, clip_id: str) -> Path:
    """The file of a run's tracks in a clip."""
    return run.path / "players" / f"{file_name(clip_id)}.npz"


def write_clip(path: Path, clip: PlayerClip) -> None:
    """Write frames and ground truth. The same clip gives the same bytes."""
    numbers = {name: getattr(clip, name) for name in _NUMBERS}
    jpegs = np.frombuffer(b"".join(clip.jpegs), dtype=np.uint8)
    make_folder(path.parent)
    write_npz(path, **numbers, **_packed(clip.truth), lengths=list(map(len, clip.jpegs)), jpegs=jpegs)


def write_tracks(path: Path, tracks: PlayerTracks, clip: PlayerClip) -> None:
    """Write a run's tracks, with the queries and frames that they are for."""
    make_folder(path.parent)
    write_npz(path, query=clip.query, frames=clip.frames, **_packed(tracks))


def _packed(tracks: PlayerTracks) -> dict[str, Any]:
    return {"xy": tracks.xy, "visible": np.packbits(tracks.visible, axis=None)}


def read_clip(path: Path) -> PlayerClip:
    """Read frames and ground truth.

    Raises:
        FileNotFoundError: there is no such file.
        BadDataError: the file is damaged.
    """
    with _reading(path) as file:
        lengths = _checked(file["lengths"], (None,), "iu")
        jpegs = [part.tobytes() for part in np.split(file["jpegs"], np.cumsum(lengths)[:-1])]
        if len({jpeg_size(jpeg) for jpeg in jpegs}) != 1:
            raise ValueError("frames of different sizes")
        frames = _checked(file["frames"], (len(jpegs),), "i")
        query = _checked(file["query"], (None,), "i")
        sizes = (_checked(file[name], (2,), "i").tolist() for name in ("shape", "raster"))
        shape, raster = ((height, width) for height, width in sizes)
        return PlayerClip(
            jpegs=jpegs,
            shape=shape,
            raster=raster,
            num_frames=int(file["num_frames"]),
            frames=frames,
            fps=float(file["fps"]),
            query=query,
            query_frame=_checked(file["query_frame"], (len(query),), "i"),
            truth=_read_tracks(file, len(query), len(frames)),
        )


def read_tracks(path: Path, clip: PlayerClip) -> PlayerTracks:
    """Read a run's tracks.

    Raises:
        FileNotFoundError: there is no such file.
        BadDataError: the file is damaged, or is for other frames or queries.
    """
    with _reading(path) as file:
        for name in ("query", "frames"):
            if not np.array_equal(file[name], getattr(clip, name)):
                raise ValueError("it is for other frames or queries")
        return _read_tracks(file, len(clip.query), len(clip.frames))


_NUMBERS = ("shape", "raster", "num_frames", "frames", "fps", "query", "query_frame")


def _read_tracks(file: Any, points: int, frames: int) -> PlayerTracks:
    xy = _checked(file["xy"], (points, frames, 2), "i").astype(np.int16)
    bits = _checked(file["visible"], (-(-points * frames // 8),), "u")
    return PlayerTracks(xy, np.unpackbits(bits, count=points * frames).astype(bool).reshape(points, frames))


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


def _to_subpixels(xy: FloatArray) -> npt.NDArray[np.int16]:
    """Pixels to int16 in 1/16 px, clipped to the range of int16."""
    reach = np.iinfo(np.int16).max
    scaled = np.where(np.isfinite(xy), np.clip(np.round(xy * SUBPIXELS), -reach, reach), NO_POSITION)
    return scaled.astype(np.int16)


def _compress(frames: npt.NDArray[np.uint8], side: int, quality: int) -> list[bytes]:
    height, width = frames.shape[1:3]
    scale = min(1.0, side / max(height, width))
    files = []
    for frame in resize_frames(frames, (max(1, round(height * scale)), max(1, round(width * scale)))):
        files.append(io.BytesIO())
        Image.fromarray(frame).save(files[-1], format="JPEG", quality=quality, optimize=True)
    return [file.getvalue() for file in files]
