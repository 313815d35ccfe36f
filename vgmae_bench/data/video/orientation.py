"""Turns decoded video frames upright, as FFmpeg's own player and command line do.

A container can have a display matrix (ISO 14496-12, 8.3.2) that rotates the picture, mirrors it, or both. All eight
orientations occur: phones rotate, front cameras mirror.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData

Filter = tuple[str, str]
"""The name and the arguments of a filter of FFmpeg."""


def upright_filters(frame: av.VideoFrame) -> list[Filter]:
    """The filters that turn a frame upright. An upright frame needs none.

    These are the filters that the ffmpeg command inserts by itself (`-autorotate`, fftools/ffmpeg_filter.c).

    Arguments:
        frame: the decoded frame. Its display matrix is read.
    """
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(side_data, SideData):
        return []
    # Row by row: a, b, c and d of ISO 14496-12 are values 0, 1, 3 and 4.
    matrix = np.frombuffer(bytes(side_data), dtype=np.int32)
    angle = _clockwise(matrix)
    if angle is None:
        return []
    if abs(angle - 90) < 1:
        return [("transpose", "cclock_flip" if matrix[3] > 0 else "clock")]
    if abs(angle - 180) < 1:
        return [("hflip", "")] * bool(matrix[0] < 0) + [("vflip", "")] * bool(matrix[4] < 0)
    if abs(angle - 270) < 1:
        return [("transpose", "clock_flip" if matrix[3] < 0 else "cclock")]
    if abs(angle) > 1:
        return [("rotate", f"{angle:f}*PI/180")]
    return [("vflip", "")] * bool(matrix[4] < 0)


def _buffer_arguments(frame: av.VideoFrame) -> str:
    """Arguments of FFmpeg's "buffer" filter for frames like this one. Without them, FFmpeg guesses matrix and range."""
    arguments = {
        "video_size": f"{frame.width}x{frame.height}",
        "pix_fmt": frame.format.name,
        "time_base": frame.time_base,
        "colorspace": int(frame.colorspace),
        "range": int(frame.color_range),
    }
    return ":".join(f"{key}={value}" for key, value in arguments.items())


def filter_graph(frame: av.VideoFrame, filters: list[Filter]) -> av.filter.Graph:
    """A configured chain of filters for frames like this one. Push frames into it, and pull filtered frames."""
    graph = av.filter.Graph()
    chain = [("buffer", _buffer_arguments(frame)), *filters, ("buffersink", "")]
    nodes = [graph.add(name, arguments) for name, arguments in chain]
    for before, after in itertools.pairwise(nodes):
        before.link_to(after)
    graph.configure()
    return graph


def upright(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The frames of one video turned upright, one at a time. Upright frames are not copied."""
    form, graph = "", None
    for frame in frames:
        previous, form = form, f"{_buffer_arguments(frame)} {frame.rotation}"
        if form != previous:  # the first frame, or the video changes its format half-way
            # Not for every frame: side data that were read keep their frame in memory for a long time.
            filters = upright_filters(frame)
            graph = filter_graph(frame, filters) if filters else None
        if graph is None:
            yield frame
            continue
        graph.push(frame)
        turned = graph.pull()
        assert isinstance(turned, av.VideoFrame)  # a graph of pictures gives pictures
        yield turned


def _clockwise(matrix: npt.NDArray[np.int32]) -> float | None:
    """The clockwise rotation that turns the picture upright, in degrees from 0 to 360; None without a direction."""
    across, down = math.hypot(matrix[0], matrix[3]), math.hypot(matrix[1], matrix[4])
    if not across or not down:
        return None
    angle = float(round(math.degrees(math.atan2(matrix[1] / down, matrix[0] / across))))
    return angle - 360 * math.floor(angle / 360 + 0.9 / 360)
