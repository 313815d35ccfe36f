"""Reads the packets of a video file: the number of frames, their times, and the number that the headers promise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

from vgmae_bench.data.video.image_folder import DEFAULT_FPS
from vgmae_bench.errors import BadDataError

_VP8_SHOWN = 0x10  # of the first byte of a frame (RFC 6386, 9.1); frames without it are only referred to
_RAW = frozenset({"h264", "hevc", "vvc", "m4v", "mpegvideo", "obu"})
_TOLERANCE = Fraction(1, 20)
_LAST_FRAME = 1  # seconds
_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Packets:
    """The frames of a video file before any is decoded.

    Attributes:
        count: frames that are shown; those that an edit list cuts off do not count.
        times: when each is shown, in units of the stream, ascending; None where the file does not say.
        fps: frames per second, the average where the rate varies.
        promised: frames that the headers promise; `count` or less where they do not say.
        raw: the file is a bare stream of a codec, whose end cannot be told from a cut.
    """

    count: int
    times: tuple[int, ...] | None
    fps: Fraction
    promised: int
    raw: bool = False


def list_packets(path: Path) -> Packets:
    """Read all packets of a video file; none is decoded."""
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
        # AVI has no times of its own: FFmpeg guesses them, and guesses wrong where frames are reordered.
        reliable = bool(known) and len(known) == len(times) and container.format.name != "avi"
        fps = _rate(stream, known)
        promised = max(_indexed(stream) - unseen, _until_end(stream, known, fps))
        raw = container.format.name in _RAW
        return Packets(len(times), tuple(known) if reliable else None, fps, promised, raw)


def picture_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The stream of moving pictures that players choose: the default one, the largest, the first; never a cover.

    Raises:
        BadDataError: there is none.
    """
    pictures: list[av.VideoStream] = list(container.streams.video)
    moving = [s for s in pictures if s.codec_context and not s.disposition & Disposition.attached_pic]
    if not moving:
        raise BadDataError(f"The video {path} cannot be read", "it holds no pictures")
    return max(
        moving,
        key=lambda s: (bool(s.disposition & Disposition.default), s.codec_context.width * s.codec_context.height),
    )


def _rate(stream: av.VideoStream, times: list[int]) -> Fraction:
    """The average rate of the header where the times of the frames agree, else what they tell."""
    average, guessed = _fraction(stream.average_rate), _fraction(stream.guessed_rate)
    if len(times) < 2 or not stream.time_base or times[-1] == times[0]:
        return guessed or average or DEFAULT_FPS
    steps, seconds = len(times) - 1, Fraction((times[-1] - times[0]) * stream.time_base)
    for rate in (average, guessed):
        if rate and abs(rate * seconds - steps) <= max(Fraction(1), _TOLERANCE * steps):
            return rate
    return (steps / seconds).limit_denominator(1001)


def _indexed(stream: av.VideoStream) -> int:
    """Frames that the index of an MP4 or AVI lists; 0 where there is none."""
    if stream.container.format.name != "avi" and "mp4" not in stream.container.format.name:
        return 0  # others list key frames alone
    return sum(1 for entry in stream.index_entries if entry.size)


def _until_end(stream: av.VideoStream, times: list[int], fps: Fraction) -> int:
    """Frames that a Matroska or AVI file should have, by the duration that it states for this stream; 0 if it states none."""
    if not times or not stream.time_base:
        return 0
    if stream.container.format.name == "avi" and stream.duration:
        # Frames follow each other at one rate. The last one takes one of the two.
        seconds, least = Fraction(stream.duration * stream.time_base), 2 / fps
    elif told := _DURATION.match(stream.metadata.get("DURATION", "")):
        hours, minutes, rest = (Fraction(text) for text in told.groups())
        # Where the rate varies, the last frame may be shown for a long time.
        seconds, least = 3600 * hours + 60 * minutes + rest, Fraction(_LAST_FRAME)
    else:
        return 0
    missing = Fraction(seconds - times[-1] * stream.time_base)
    return len(times) + round(missing * fps) - 1 if missing > max(least, _TOLERANCE * seconds) else 0


def _fraction(rate: Fraction | None) -> Fraction:
    """A rate of FFmpeg's; 0 where there is none."""
    return Fraction(rate) if rate else Fraction(0)
