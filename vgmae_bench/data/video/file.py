"""Reads videos: files that FFmpeg decodes, and folders of frame images.

Both have one small interface. It gives one frame at a time at the requested size, so that a long video needs no more
memory than the frames that the caller keeps.
"""

from __future__ import annotations

import itertools
import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np

from vgmae_bench.data.video import Frames, Video
from vgmae_bench.data.video.complete import check_complete, incomplete
from vgmae_bench.data.video.image_folder import ImageFolder
from vgmae_bench.data.video.images import reading
from vgmae_bench.data.video.orientation import upright
from vgmae_bench.data.video.packets import list_packets, picture_stream
from vgmae_bench.errors import BadDataError
from vgmae_bench.types import Size, Uint8Array

_log = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".ts", ".mts", ".m2ts", ".h264", ".264"}
)


def open_video(path: Path, *, allow_truncated: bool = False) -> Video:
    """Open a video file (mp4, mkv, webm, gif and everything else that FFmpeg reads) or a folder of frame images.

    Arguments:
        allow_truncated: read the existing part of an incomplete or damaged file. False refuses it.

    Raises:
        BadDataError: the file does not exist, cannot be read, is incomplete, or holds no frames.
    """
    if path.is_dir():
        return ImageFolder.open(path, allow_gaps=allow_truncated)
    return VideoFile.open(path, allow_truncated=allow_truncated)


def stack(frames: Iterable[Uint8Array], expected: int = 1) -> Uint8Array:
    """Frames [H, W, 3] of one size as one array [T, H, W, 3]. Unlike `numpy.stack`, it does not hold the frames twice.

    Arguments:
        expected: about how many frames there are. Memory for them is reserved at once.

    Raises:
        ValueError: there are no frames, or their sizes differ.
    """
    stacked, count = np.empty(0, dtype=np.uint8), 0
    for count, frame in enumerate(frames, start=1):
        if count == 1:
            stacked = np.empty((expected, *frame.shape), dtype=np.uint8)
        elif count > len(stacked):
            stacked.resize((count + count // 8, *stacked.shape[1:]), refcheck=False)
        stacked[count - 1] = frame
    if not count:
        raise ValueError("there are no frames to stack")
    return stacked[:count]


@dataclass(frozen=True)
class VideoFile(Video):
    """A video file. It holds no open file and can be sent to another process.

    Attributes:
        times: the time of each frame in units of the stream, ascending; None if the file does not say, as in raw H.264.
        allow_truncated: read the existing part of an incomplete or damaged file.
    """

    path: Path
    times: tuple[int, ...] | None = None
    allow_truncated: bool = False

    @classmethod
    def open(cls, path: Path, *, allow_truncated: bool = False) -> VideoFile:
        """Read all packets and decode the first frame, because headers can be wrong about counts, rates and orientation.

        Raises:
            BadDataError: the file cannot be read, holds no pictures, or is incomplete. The message has the promised
                size.
        """
        with reading(path):
            if not allow_truncated:
                check_complete(path)
            packets = list_packets(path)
            if packets.count < packets.promised and not allow_truncated:
                raise incomplete(path, f"{packets.count} of {packets.promised} frames")
            first = next(_decode(path, skip_damage=allow_truncated), None)
            if first is None:
                raise BadDataError(f"The video {path} cannot be read", "it holds no frames")
            shown = next(upright([first]))
            times, count = packets.times, packets.count
            if first.interlaced_frame:  # a packet can hold one field, which is half a frame
                times, count = None, sum(1 for _ in _decode(path, skip_damage=allow_truncated))
            elif times is not None and first.pts is not None:
                times = times[bisect_left(times, first.pts) :]  # frames before the first key frame cannot be decoded
                count = len(times)
        if packets.raw and not allow_truncated:
            _log.warning(
                "%s is a raw stream, which does not say how long it is: frames may be missing at its end", path
            )
        return cls((shown.height, shown.width), packets.fps, count, path, times, allow_truncated)

    def frames(self, size: Size | None = None, *, start: int = 0, stride: int = 1, threads: int = 0) -> Frames:
        """See `Video.frames`. Decoding begins at the key frame before `start`, which is found by its time."""
        height, width = size or self.size
        with reading(self.path):
            for frame in upright(itertools.islice(self._from(start, threads), 0, None, stride)):
                pixels = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="BICUBIC")
                yield np.asarray(pixels, dtype=np.uint8)

    def _from(self, start: int, threads: int) -> Iterator[av.VideoFrame]:
        """Decoded frames from frame `start` on. Raises BadDataError if frames are missing at the end."""
        decode = partial(_decode, self.path, threads, skip_damage=self.allow_truncated)
        frames: Iterator[av.VideoFrame] = itertools.islice(decode(), start, None)  # opens the file only if it is used
        if start and self.times is not None and start < len(self.times):
            wanted = self.times[start]
            later = itertools.dropwhile(lambda frame: frame.pts is not None and frame.pts < wanted, decode(wanted))
            first = next(later, None)
            if first and first.pts == wanted:  # else the file's index led to a later frame
                frames = itertools.chain([first], later)
        found = start
        for frame in frames:
            found += 1
            yield frame
        if found < self.num_frames and not self.allow_truncated:
            raise incomplete(self.path, f"{found} of {self.num_frames} frames")


def _decode(
    path: Path, threads: int = 0, seek_to: int | None = None, *, skip_damage: bool = False
) -> Iterator[av.VideoFrame]:
    """Frames of the video, from the key frame before the time `seek_to` on.

    Arguments:
        threads: see `Video.frames`.
        skip_damage: leave out damaged packets, and keep frames that the decoder has repaired.

    Raises:
        ValueError or FFmpegError: a part is damaged, and `skip_damage` is False.
    """
    with av.open(str(path)) as container:
        stream = picture_stream(container, path)
        stream.thread_type = "AUTO"
        # Damaged frames depend on the number of threads, and raw streams promise no number of frames to compare with.
        stream.codec_context.thread_count = 1 if skip_damage or stream.start_time is None else threads
        if seek_to is not None:
            container.seek(seek_to, stream=stream)
        for packet in container.demux(stream):
            if packet.is_corrupt and packet.size:
                if skip_damage:
                    continue
                raise ValueError("a part of it is damaged or missing")
            try:
                for frame in packet.decode():
                    if frame.is_corrupt and not skip_damage:
                        raise ValueError("a frame of it is damaged")
                    yield frame
            except av.error.InvalidDataError:
                if not skip_damage:
                    raise
