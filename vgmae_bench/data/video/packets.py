"""Reads the packets of a video file: the number and times of its frames, and the number that the headers promise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

from vgmae_bench.data.video import DEFAULT_FPS
from vgmae_bench.errors import BadDataError

_VP8_SHOWN = 0x10  # bit of a frame's first byte (RFC 6386, 9.1); without it, the frame is a reference and is not shown
_RAW = frozenset({"h264", "hevc", "vvc", "m4v", "mpegvideo", "obu"})
_TOLERANCE = Fraction(1, 20)
_LAST_FRAME = 1  # seconds
_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Packets:
    """The number and the times of a video file's frames, from its packets alone.

    Attributes:
        count: the number of frames that are shown. Frames that an edit list cuts off do not count.
        times: the time of each frame in units of the stream, ascending; None if the file does not have times.
        fps: frames per second; the average if the rate varies.
        promised: the number of frames that the headers promise; `count` or less if they promise nothing.
        raw: the file is a bare stream of a codec. Such a stream does not show whether its end is missing.
    """

    count: int
    times: tuple[int, ...] | None
    fps: Fraction
    promised: int
    raw: bool = False


def list_packets(path: Path) -> Packets:
    """Read all packets of a video file. No frame is decoded."""
    with av.open(str(path)) as container:
        stream = picture_stream(container, path)
        vp8 = stream.codec_context.name == "vp8"
        times: list[int | None] = []
        unseen = 0
        for packet in container.demux(stream):
            if packet.is_discard or (vp8 and packet.size and not bytes(packet)[0] & _VP8_SHOWN):
                unseen += 1
            elif packet.size:
                times.append(packet.pts)
        known = sorted(time for time in times if time is not None)
        # AVI stores no times. FFmpeg guesses them, wrongly if frames are reordered.
        reliable = bool(known) and len(known) == len(times) and container.format.name != "avi"
        fps = _rate(stream, known)
        promised = max(_indexed(stream) - unseen, _until_end(stream, known, fps))
        raw = container.format.name in _RAW
        return Packets(len(times), tuple(known) if reliable else None, fps, promised, raw)


def picture_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The video stream that players choose: the default stream, then the largest, then the first. Never a cover image.

    Raises:
        BadDataError: there is no such stream.
    """
    pictures: list[av.VideoStream] = list(container.streams.video)
    moving = [s for s in pictures if s.codec_context and not s.disposition & Disposition.attached_pic]
    if not moving:
        raise BadDataError(f"The video {path} cannot be read", "it holds no frames")
    return max(
        moving,
        key=lambda s: (bool(s.disposition & Disposition.default), s.codec_context.width * s.codec_context.height),
    )


def _rate(stream: av.VideoStream, times: list[int]) -> Fraction:
    """The header's average rate if the times of the frames agree with it, else the rate of these times."""
    average, guessed = _fraction(stream.average_rate), _fraction(stream.guessed_rate)
    if len(times) < 2 or not stream.time_base or times[-1] == times[0]:
        return guessed or average or DEFAULT_FPS
    steps, seconds = len(times) - 1, Fraction((times[-1] - times[0]) * stream.time_base)
    for rate in (average, guessed):
        if rate and abs(rate * seconds - steps) <= max(Fraction(1), _TOLERANCE * steps):
            return rate
    return (steps / seconds).limit_denominator(1001)


def _indexed(stream: av.VideoStream) -> int:
    """The number of frames in the index of an MP4 or AVI file; 0 without an index."""
    if stream.container.format.name != "avi" and "mp4" not in stream.container.format.name:
        return 0  # other formats index only key frames
    return sum(1 for entry in stream.index_entries if entry.size)


def _until_end(stream: av.VideoStream, times: list[int], fps: Fraction) -> int:
    """The number of frames of a Matroska or AVI file, from the duration of its stream; 0 without a duration."""
    if not times or not stream.time_base:
        return 0
    if stream.container.format.name == "avi" and stream.duration:
        # The rate is constant. The tolerance of two frames includes the last one.
        seconds, least = Fraction(stream.duration * stream.time_base), 2 / fps
    elif duration := _DURATION.match(stream.metadata.get("DURATION", "")):
        hours, minutes, rest = (Fraction(text) for text in duration.groups())
        # If the rate varies, the last frame may last long.
        seconds, least = 3600 * hours + 60 * minutes + rest, Fraction(_LAST_FRAME)
    else:
        return 0
    missing = Fraction(seconds - times[-1] * stream.time_base)
    return len(times) + round(missing * fps) - 1 if missing > max(least, _TOLERANCE * seconds) else 0


def _fraction(rate: Fraction | None) -> Fraction:
    """A rate from FFmpeg; 0 if there is none."""
    return Fraction(rate) if rate else Fraction(0)
