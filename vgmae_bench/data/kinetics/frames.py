"""Makes the frames of a Kinetics video exactly as the published generator of TAP-Vid-Kinetics does.

The generator (generate_tapvid.py of google-deepmind/tapnet) runs `ffmpeg -i VIDEO -filter_complex [0]fps=fps=25 -f
image2pipe pipe:`. This module calls the libraries of FFmpeg in the same way:

* Time 0 is the start of the file. If the picture starts later, its first frame is repeated.
* The picture is turned upright. Then frames are repeated or dropped to reach 25 frames per second.
* The JPEG encoder has a target of 200 kbit/s, and stores 4:2:0, 4:2:2 or 4:4:4 like the video. The quality of a frame thus
  depends on the frames before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av

from vgmae_bench.data.video.complete import check_complete
from vgmae_bench.data.video.orientation import filter_graph, upright_filters
from vgmae_bench.data.video.pixels import reading

FPS = 25
MAX_FRAMES = 250

_JPEG_FORMATS = "yuvj420p|yuvj422p|yuvj444p"
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
_START_OF_USED_STREAMS = 0x0200  # FFmpeg's AVFMT_TS_DISCONT: time 0 is the start of the stream in use
_MICROSECOND = Fraction(1, 1_000_000)
_MOST_BEHIND = -2  # earlier frames are dropped (FFmpeg's `delta < -1.1`)


def jpeg_frames(path: Path) -> list[bytes]:
    """The first 250 frames (or fewer) of a video at 25 frames per second, as JPEG files.

    Raises:
        BadDataError: the video is incomplete, cannot be decoded, or holds no frames.
    """
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    # FFmpeg uses one thread here. With more, the encoder writes other Huffman tables and chooses other qualities.
    encoder.thread_count = 1
    encoder.time_base, encoder.framerate, encoder.color_range = Fraction(1, FPS), Fraction(FPS), _FULL_RANGE
    jpegs: list[bytes] = []
    with reading(path):
        check_complete(path)
        with av.open(str(path)) as container:
            for picture in _pictures(container, encoder):
                if not encoder.is_open:
                    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, picture.format.name
                assert picture.pts is not None  # the filter "fps" numbers its frames
                # A constant rate from time 0 requires each number once. Only the first frame can need repetition.
                ahead = picture.pts - len(jpegs)
                copies = 0 if ahead < _MOST_BEHIND else 1 + max(ahead, 0)
                for _ in range(min(copies, MAX_FRAMES - len(jpegs))):
                    picture.pts = len(jpegs)
                    jpegs.extend(bytes(packet) for packet in encoder.encode(picture))
                if len(jpegs) == MAX_FRAMES:
                    break
        if not jpegs:
            raise ValueError("it holds no frames")
    return jpegs


def _pictures(container: av.container.InputContainer, encoder: av.VideoCodecContext) -> Iterator[av.VideoFrame]:
    """The upright frames of a video at 25 frames per second, numbered. Sets the aspect ratio of pixels for `encoder`."""
    if not container.streams.video:
        return
    stream = container.streams.video[0]
    start, previous, shape, graph = _start(container, stream), None, None, None
    for frame in container.decode(stream):
        if shape not in (None, (frame.width, frame.height, frame.format.name)):
            raise ValueError("its frames change their size or their pixel format half-way")
        shape = frame.width, frame.height, frame.format.name
        stored = frame.pts if frame.pts is not None else frame.dts
        expected = 0 if previous is None else previous + frame.duration
        pts = expected if stored is None else stored - start
        if not frame.duration and previous is not None:
            frame.duration = max(pts - previous, 1)
        frame.pts = previous = pts
        if graph is None:
            turns = upright_filters(frame)
            graph = filter_graph(frame, [*turns, ("fps", str(FPS)), ("format", f"pix_fmts={_JPEG_FORMATS}")])
            if aspect := stream.sample_aspect_ratio:
                encoder.sample_aspect_ratio = 1 / aspect if any(name == "transpose" for name, _ in turns) else aspect
        graph.push(frame)
        yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    """The frames that a chain of filters has ready."""
    with suppress(av.BlockingIOError, av.EOFError):
        while True:
            picture = graph.pull()
            assert isinstance(picture, av.VideoFrame)  # a graph of pictures gives pictures
            yield picture


def _start(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """The time that the command treats as 0, in units of the stream."""
    if container.format.flags & _START_OF_USED_STREAMS and stream.start_time is not None:
        return int(stream.start_time)
    if container.start_time is None or stream.time_base is None:
        return 0
    return _nearest(container.start_time * _MICROSECOND / stream.time_base)


def _nearest(value: Fraction) -> int:
    """Rounded to the nearest whole number, halves away from zero, as FFmpeg rescales times."""
    magnitude = int(abs(value) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude
