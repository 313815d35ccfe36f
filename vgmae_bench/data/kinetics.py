"""TAP-Vid-Kinetics from the published annotations and the videos. The shards of the published generator are not needed.

The generator (generate_tapvid.py of google-deepmind/tapnet) keeps up to 250 frames of each video, at 25 frames per
second, and cuts the tracks to these frames. Published points are fractions of the frame. The generator stores them as
(x · W - 0.5) / W.

It runs `ffmpeg -i VIDEO -filter_complex [0]fps=fps=25 -f image2pipe pipe:`. This module calls the libraries of FFmpeg in the
same way, and thus makes exactly the same frames:

* Time 0 is the start of the file. If the picture starts later, its first frame is repeated.
* The picture is turned upright. Then frames are repeated or dropped to reach 25 frames per second.
* The JPEG encoder has a target of 200 kbit/s, and stores 4:2:0, 4:2:2 or 4:4:4 like the video. The quality of a frame thus
  depends on the frames before it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vgmae_bench import data
from vgmae_bench.config import Json
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.data.prepare import Raw, raw_from_dataset
from vgmae_bench.data.tapvid.dataset import KineticsConfig, kinetics
from vgmae_bench.data.video.complete import check_complete
from vgmae_bench.data.video.frames import decode_frames, jpeg_size
from vgmae_bench.data.video.images import reading
from vgmae_bench.data.video.orientation import filter_graph, upright_filters
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.files import file_digest
from vgmae_bench.types import BoolArray, Clip, FloatArray

_log = logging.getLogger(__name__)

FPS = 25
MAX_FRAMES = 250

_JPEG_FORMATS = "yuvj420p|yuvj422p|yuvj444p"
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
_START_OF_USED_STREAMS = 0x0200  # FFmpeg's AVFMT_TS_DISCONT: time 0 is the start of the stream in use
_MICROSECOND = Fraction(1, 1_000_000)
_MOST_BEHIND = -2  # earlier frames are dropped (FFmpeg's `delta < -1.1`)
_KEY_FIELDS = 3  # YouTube id, start and end in seconds, before the x, y and occlusion of every frame


def prepare(root: Path, source: Path | None) -> Raw:
    """The input of `vgmae_bench.data.prepare`, from videos if `source` is given, otherwise from shards.

    Arguments:
        root: the data root, with the annotations in tapvid_kinetics/*.csv.
        source: the folder of the Kinetics-700-2020 validation videos, `<id>_<start>_<end>.mp4` with six digits each.
            Sub-folders are searched. Clips with a missing, incomplete or damaged video are left out and listed as
            missing.

    Raises:
        MissingDataError: there are no annotations, no videos for them, or neither shards nor `source`.
        BadDataError: the annotations are damaged (the message names the line), or two different videos have the same
            name.
    """
    if source is None:
        return raw_from_dataset(
            data.KINETICS, OpenedDataset(kinetics(root, KineticsConfig()), data.KINETICS.name), root
        )
    files = sorted(root.glob(data.KINETICS.annotations))
    if not files:
        what = f"The annotations of kinetics are not at {root / data.KINETICS.annotations}"
        raise MissingDataError(what, f"they come from {data.KINETICS.source}", try_="vgmae-bench data fetch kinetics")
    if len(files) > 1:
        named = ", ".join(file.name for file in files)
        raise BadDataError(f"{files[0].parent} holds several annotations: {named}", "only one of them can be used")
    annotations = Annotations(files[0])
    videos = _find_videos(source, annotations.lines)
    if not videos:
        raise MissingDataError(
            f"{source} holds none of the {len(annotations.lines)} videos of kinetics",
            f"they are named like {next(iter(annotations.lines), 'id_000000_000010')}.mp4",
        )
    sources: list[Json] = [[files[0].name, file_digest(files[0])]]
    gone: list[Json] = [name for name in annotations.lines if name not in videos]
    about: dict[str, Json] = {"sources": sources, "missing": gone, "encoder": av.library_versions["libavcodec"][0]}

    def clips() -> Iterator[Clip]:
        for name, video in videos.items():
            points, occluded = annotations.tracks(name)
            try:
                jpegs = jpeg_frames(video)
            except BadDataError as error:
                _log.warning(f"{name} is left out: {error.sentence}")
                gone.append(name)
                continue
            sources.append([video.name, file_digest(video)])
            yield _clip(name, points, occluded, jpegs)

    # A 720p frame rarely exceeds 150 kB at these settings.
    return Raw(clips(), len(videos), about, size=len(videos) * MAX_FRAMES * 150_000)


class Annotations:
    """The published CSV file. Memory holds only the rows of one clip at a time.

    Attributes:
        lines: byte offsets of the rows of each clip, in order of first appearance. A clip has the name of its video.

    Raises:
        BadDataError: a row does not begin with a video's name, start and end. The message names the line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[str, list[int]] = {}
        offset = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                fields = line.split(b",", _KEY_FIELDS)
                try:
                    youtube_id, start, end = (field.decode() for field in fields[:_KEY_FIELDS])
                    name = f"{youtube_id}_{int(start):06}_{int(end):06}"
                except ValueError as error:
                    raise self._bad(f"line {number} does not begin with a video, its start and its end") from error
                if Path(name).name != name:
                    raise self._bad(f"line {number} names a video that cannot be a file name")
                self.lines.setdefault(name, []).append(offset)
                offset += len(line)

    def tracks(self, name: str) -> tuple[FloatArray, BoolArray]:
        """The tracks of one clip: points float64 [N, T, 2], fractions of the frame as published, and occluded bool [N, T].

        Raises:
            BadDataError: a row lacks x, y and occlusion of each frame after its first 3 fields.
        """
        rows = []
        with self.path.open("rb") as file:
            for offset in self.lines[name]:
                file.seek(offset)
                rows.append(file.readline().rstrip().split(b",")[_KEY_FIELDS:])
        try:
            values = np.array(rows, dtype=np.bytes_).astype(np.float64).reshape(len(rows), -1, 3)
        except ValueError as error:
            raise self._bad(f"the rows of {name} are not x, y and occlusion of the same frames") from error
        if not np.isfinite(values).all() or not np.isin(values[..., 2], (0, 1)).all():
            raise self._bad(f"the rows of {name} hold something other than finite positions and occlusion of 0 or 1")
        return values[..., :2], values[..., 2] > 0

    def _bad(self, why: str) -> BadDataError:
        return BadDataError(f"The annotations {self.path} cannot be used", why)


def _clip(name: str, points: FloatArray, occluded: BoolArray, jpegs: list[bytes]) -> Clip:
    height, width = jpeg_size(jpegs[0])
    num_frames = min(len(jpegs), points.shape[1])
    size = np.array([width, height])
    return Clip(
        id=name,
        size=(height, width),
        points=(points[:, :num_frames] * size - 0.5) / size,
        occluded=occluded[:, :num_frames],
        read=lambda: decode_frames(jpegs[:num_frames]),
        encoded=jpegs[:num_frames],
        fps=FPS,
    )


def _find_videos(folder: Path, names: Collection[str]) -> dict[str, Path]:
    """The mp4 files with these names (without the suffix) in a folder and its sub-folders, in the order of `names`.

    Raises:
        MissingDataError: there is no such folder.
        BadDataError: two files have the same name, and their contents differ.
    """
    if not folder.is_dir():
        raise MissingDataError(f"There is no folder {folder}", "it should hold the videos of kinetics")
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*.mp4")):
        first = found.setdefault(file.stem, file)
        if file != first and file.stem in names and file_digest(file) != file_digest(first):
            raise BadDataError(
                f"Different videos have one name: {first} and {file}", "one of them is probably a broken download"
            )
    return {name: found[name] for name in names if name in found}


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
