"""Tracks points through the user's own video and writes the result to a folder.

DIR/
    tracks.csv    point, frame, x, y, visible: one row per point and frame
    tracks.h5     xy [N, T, 2], visible [N, T], query_frame [N], query_xy [N, 2], and confidence [N, T] if known
    tracks.mp4    the video with its tracks drawn on it, and frame numbers
    record.json   the video, the method, the points and the time it took
If the user asks for the scene and the method has one:
    scene.h5               flow [T - 1, h, w, 2], centres [T, G, 2], window [T], reconstruction [T, h, w, 3]
    flow.mp4               the video and, to its right, flow: hue shows direction, colour intensity shows speed
    reconstruction.mp4     the video and, to its right, the clip as the method reconstructs it

Positions are raster pixels of the displayed video, with pixel centres at +0.5.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.ahead import drawn_ahead, made_ahead, read_memory, read_threads
from vgmae_bench.data.video import Video
from vgmae_bench.data.video.file import stack
from vgmae_bench.data.video.write import write_mp4
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.asking import answer
from vgmae_bench.evaluation.method import Method
from vgmae_bench.evaluation.records.others import TrackRecord
from vgmae_bench.evaluation.store import new_h5
from vgmae_bench.files import storage_errors
from vgmae_bench.progress.bar import counted
from vgmae_bench.types import Queries, Scene, SceneMaker, Size, Streaming, Tracks, rescale, stream
from vgmae_bench.viz.draw import beside, colour_flow, draw_frame, numbered, rainbow

OUTPUTS = ("tracks.csv", "tracks.h5", "tracks.mp4", "record.json")
SCENE_OUTPUTS = ("scene.h5", "flow.mp4", "reconstruction.mp4")
_FRAMES_AHEAD = 8


def track_video(
    method: Method,
    video: Video,
    queries: Queries,
    size: Size,
    max_frames: int | None = None,
    *,
    with_scene: bool = False,
) -> tuple[Tracks, Scene | None, float]:
    """Track points through a whole video. Memory holds the frames at `size` only.

    If all queries are in the first frame and in one call, a streaming tracker gets each frame as soon as it is decoded.

    Arguments:
        queries: raster pixels of the video.
        size: (height, width) of the frames that the method gets.
        max_frames: track through at most this many frames.
        with_scene: also ask the method for its scene (flow, Gaussians, reconstruction).

    Returns:
        Tracks and scene in raster pixels of the video, and the seconds that tracking took, without reading.

    Raises:
        UsageError: a query's frame lies beyond the end, or the method has no scene.
        BadDataError: the video cannot be decoded.
    """
    maker = method.tracker
    if with_scene and not isinstance(maker, SceneMaker):
        raise UsageError(f"{method.plugin.name} has no scene to show", "it gives tracks only", try_="without --scene")
    total = min(video.num_frames, max_frames or video.num_frames)
    read = drawn_ahead(itertools.islice(video.frames(size), max_frames), _ahead(size))
    scaled = Queries(queries.frame, rescale(queries.xy, video.size, size))
    if isinstance(maker, Streaming) and not with_scene and _in_one_pass(method, queries):
        found, seconds = _streamed(maker, counted(read, "tracking", "frames", total), scaled)
        return replace(found, xy=rescale(found.xy, size, video.size)), None, seconds
    frames = stack(counted(read, "decoding", "frames", total), total)
    late = queries.frame[queries.frame >= len(frames)]
    if len(late):
        raise UsageError(f"There is no frame {late[0]} to track from", f"frames 0 to {len(frames) - 1} are tracked")
    start = time.perf_counter()
    found = answer(method.tracker, frames, scaled, method.how, backward=True)
    seconds = time.perf_counter() - start
    scene = _enlarged(maker.scene(frames), size, video.size) if with_scene and isinstance(maker, SceneMaker) else None
    return replace(found, xy=rescale(found.xy, size, video.size)), scene, seconds


def _in_one_pass(method: Method, queries: Queries) -> bool:
    """Whether all queries lie in the first frame and go into one call."""
    return len(queries) > 0 and not queries.frame.any() and len(list(method.how.groups(queries))) == 1


def _streamed(tracker: Streaming, frames: Iterable[npt.NDArray[np.uint8]], queries: Queries) -> tuple[Tracks, float]:
    """The tracks, and the seconds that the tracker took."""
    reading, start = 0.0, time.perf_counter()

    def timed() -> Iterator[npt.NDArray[np.uint8]]:
        nonlocal reading
        asked = time.perf_counter()
        for frame in frames:
            reading += time.perf_counter() - asked
            yield frame
            asked = time.perf_counter()
        reading += time.perf_counter() - asked

    tracks = stream(tracker, timed(), queries)
    return tracks, time.perf_counter() - start - reading


def _ahead(size: Size) -> int:
    """The number of frames of this size that a thread may decode in advance."""
    return min(_FRAMES_AHEAD, read_memory() // (3 * size[0] * size[1])) if read_threads() else 0


def _enlarged(scene: Scene, size: Size, video_size: Size) -> Scene:
    """The scene with flow and centres in pixels of the video instead of pixels of frames of `size`."""
    flow, centres = (rescale(values, size, video_size).astype(np.float32) for values in (scene.flow, scene.centres))
    return replace(scene, flow=flow, centres=centres)


def write_tracks(
    out: Path, video: Video, queries: Queries, tracks: Tracks, record: TrackRecord, scene: Scene | None = None
) -> None:
    """Write the files named above to `out`. They replace older files together, when all of them are complete.

    Raises:
        StorageError: the files cannot be written.
        BadDataError: the video cannot be decoded again.
    """
    num_frames = tracks.visible.shape[1]
    colours = rainbow(queries.xy)
    # One thread decodes, another one draws, this one encodes.
    read = drawn_ahead(itertools.islice(video.frames(), num_frames), _ahead(video.size))
    frames = enumerate(counted(read, "drawing", "frames", num_frames))

    def draw(given: tuple[int, npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
        return numbered(draw_frame(given[1], tracks, given[0], colours), given[0])

    with (
        contextlib.closing(read),
        contextlib.closing(made_ahead(frames, draw, _ahead(video.size))) as drawn,
        _staging(out) as folder,
    ):
        record = replace(record, encoder=write_mp4(folder / "tracks.mp4", drawn, video.fps))
        _write_csv(folder / "tracks.csv", tracks)
        text = record.text()
        (folder / "record.json").write_text(text, encoding="utf-8", errors="replace")
        attributes = {"fps": float(video.fps), "size": video.size, "method": record.method.name, "record": text}
        _write_h5(folder / "tracks.h5", queries, tracks, attributes)
        if scene is not None:
            _write_scene(folder, scene, video, attributes)


@contextlib.contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """A folder inside `out`. Its files move to `out` if the block succeeds. Otherwise `out` stays as it was.

    `write_atomically` replaces one file. Here, all files of a video replace the older ones together.
    """
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out))
        try:
            yield folder
            for file in folder.iterdir():
                os.replace(file, out / file.name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # not empty, which is the usual case
                out.rmdir()


def _write_csv(path: Path, tracks: Tracks) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("point,frame,x,y,visible\n")
        for point, (xy, visible) in enumerate(zip(tracks.xy.tolist(), tracks.visible.tolist(), strict=True)):
            rows = zip(xy, visible, strict=True)
            file.writelines(f"{point},{t},{x:.3f},{y:.3f},{seen:d}\n" for t, ((x, y), seen) in enumerate(rows))


def _write_h5(path: Path, queries: Queries, tracks: Tracks, attributes: dict[str, Any]) -> None:
    with new_h5(path) as file:
        file.attrs.update(attributes)
        file["query_frame"], file["query_xy"] = queries.frame, queries.xy
        file["xy"], file["visible"] = tracks.xy, tracks.visible
        if tracks.confidence is not None:
            file["confidence"] = tracks.confidence


def _write_scene(folder: Path, scene: Scene, video: Video, attributes: dict[str, Any]) -> None:
    with new_h5(folder / "scene.h5") as file:
        file.attrs.update(attributes)
        for name, values in vars(scene).items():
            file.create_dataset(name, data=values, compression="gzip", compression_opts=1)
    pictures = {"reconstruction": iter(scene.reconstruction), "flow": (colour_flow(flow) for flow in scene.flow)}
    for name, count in (("reconstruction", len(scene.reconstruction)), ("flow", len(scene.flow))):
        if not count:  # a single frame has no flow
            continue
        read = drawn_ahead(itertools.islice(video.frames(), count), _ahead(video.size))
        with contextlib.closing(read):
            pairs = zip(counted(read, f"drawing {name}", "frames", count), pictures[name], strict=True)
            write_mp4(folder / f"{name}.mp4", (beside(*pair, number) for number, pair in enumerate(pairs)), video.fps)
