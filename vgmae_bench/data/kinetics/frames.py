"""Makes the frames of a Kinetics video exactly as the published generator of TAP-Vid-Kinetics does.

The generator (generate_tapvid.py of google-deepmind/tapnet) runs `ffmpeg -i VIDEO -filter_complex [0]fps=fps=25 -f
image2pipe pipe:`. This module calls the libraries of FFmpeg in the same way:

* Time 0 is the start of the file. If the picture starts later, its first frame is repeated.
* The picture is turned upright. Then frames are repeated or dropped to reach 25 frames per second.
* The JPEG encoder has a target of 200 kbit/s, and stores 4:2:0, 4:2:2 or 4:4:4 like the video. The quality of a frame thus
  depends on the frames before it.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from vgmae_bench.data.video.complete import check_complete
from vgmae_bench.data.video.orientation import Filter, buffer_arguments, link, upright_filters
from vgmae_bench.data.video.pixels import reading
from vgmae_bench.errors import BadDataError

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
        BadDataError: the video is incomplete or cannot be decoded.
    """
    with reading(path):
        check_complete(path)
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise BadDataError(f"The video {path} cannot be read", "it holds no frames")
            return _Generator(container).run()


class _Generator:
    """One run of the published command."""

    def __init__(self, container: av.container.InputContainer) -> None:
        self._container = container
        self._stream = container.streams.video[0]
        self._jpegs: list[bytes] = []
        self._graph: av.filter.Graph | None = None
        self._encoder = av.CodecContext.create("mjpeg", "w")
        # FFmpeg uses one thread here. With more, the encoder writes other Huffman tables and chooses other qualities.
        self._encoder.thread_count = 1
        self._shape: tuple[int, int, str] | None = None

    def run(self) -> list[bytes]:
        offset, previous = self._offset(), None
        for frame in self._container.decode(self._stream):
            shape = (frame.width, frame.height, frame.format.name)
            if self._shape not in (None, shape):
                raise ValueError("its frames change their size or their pixel format half-way")
            self._shape = shape
            told = frame.pts if frame.pts is not None else frame.dts
            expected = 0 if previous is None else previous + frame.duration
            pts = expected if told is None else told - offset
            if not frame.duration and previous is not None:
                frame.duration = max(pts - previous, 1)
            frame.pts = previous = pts
            if self._graph is None:
                self._graph = self._filters(frame)
            self._graph.push(frame)
            self._drain()
            if len(self._jpegs) == MAX_FRAMES:
                return self._jpegs
        if self._graph is None:
            raise ValueError("it holds no frames")
        self._graph.push(None)
        self._drain()
        return self._jpegs

    def _offset(self) -> int:
        """The time that the command treats as 0, in units of the stream."""
        start = self._container.start_time
        if self._container.format.flags & _START_OF_USED_STREAMS and self._stream.start_time is not None:
            return int(self._stream.start_time)
        if start is None or self._stream.time_base is None:
            return 0
        return _nearest(start * _MICROSECOND / self._stream.time_base)

    def _filters(self, first: av.VideoFrame) -> av.filter.Graph:
        turns = upright_filters(first)
        chain: list[Filter] = [("buffer", buffer_arguments(first)), *turns, ("fps", str(FPS))]
        chain += [("format", f"pix_fmts={_JPEG_FORMATS}"), ("buffersink", "")]
        encoder = self._encoder
        assert isinstance(encoder, av.VideoCodecContext)
        encoder.time_base, encoder.framerate, encoder.color_range = Fraction(1, FPS), Fraction(FPS), _FULL_RANGE
        if aspect := self._stream.sample_aspect_ratio:
            encoder.sample_aspect_ratio = 1 / aspect if any(name == "transpose" for name, _ in turns) else aspect
        return link(chain)

    def _drain(self) -> None:
        assert self._graph is not None
        while len(self._jpegs) < MAX_FRAMES:
            try:
                picture = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(picture, av.VideoFrame)
            self._encode(picture)

    def _encode(self, picture: av.VideoFrame) -> None:
        """Encode a frame as often as a constant rate from time 0 requires. Only the first frame can need repetition."""
        encoder = self._encoder
        assert isinstance(encoder, av.VideoCodecContext)
        if not encoder.is_open:
            encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, picture.format.name
        assert picture.pts is not None  # the filter "fps" numbers its frames
        ahead = picture.pts - len(self._jpegs)
        copies = 0 if ahead < _MOST_BEHIND else 1 + max(ahead, 0)
        for _ in range(min(copies, MAX_FRAMES - len(self._jpegs))):
            picture.pts = len(self._jpegs)
            self._jpegs.extend(bytes(packet) for packet in encoder.encode(picture))


def _nearest(value: Fraction) -> int:
    """Rounded to the nearest whole number, halves away from zero, as FFmpeg rescales times."""
    magnitude = int(abs(value) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude
