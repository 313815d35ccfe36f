"""Evaluation protocols: the frames that a tracker gets, its queries, and what is scored.

Protocols are frozen. Records hold their hash. A protocol turns a clip into query sets. TAP-Vid has one query set per
clip. The released Video-GMAE evaluation has one per 16-frame chunk.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from vgmae_bench import config
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.errors import UnknownNameError, UsageError
from vgmae_bench.evaluation.protocols.sampling import QuerySample, sample_first, sample_strided
from vgmae_bench.metrics.scored_tracks import QueryMode, ScoredTracks
from vgmae_bench.metrics.thresholds import THRESHOLDS
from vgmae_bench.plugins import suggestion
from vgmae_bench.types import BoolArray, Clip, FloatArray, Queries, Size, Tracks, Uint8Array, rescale


@dataclass(frozen=True)
class EvalProtocol:
    """Everything that decides a score besides the method and the data.

    Attributes:
        name, version: `version` grows whenever the meaning of a name changes.
        query_mode: "first": one query per track, in its first visible frame; later frames are scored. "strided": one
            query for every visible track in every `query_stride`-th frame; all frames except the query frame are
            scored.
        input_size: (height, width) of the frames given to the tracker.
        metric_size: (height, width) of the raster in which pixels are counted.
        resize: "lanczos" stretches the frames to `input_size`. "crop" scales the shorter side to `short_side`, then
            takes a random crop of `input_size`.
        first_n_frames: score only the first n frames of a query set; None: all.
        chunk: length of non-overlapping chunks. Each is a query set of its own; remaining frames are dropped. None: the
            whole clip.
        max_tracks: the largest number of tracks per query set, chosen at random; None: all.
        nan_policy: "propagate": one clip without a value makes the mean NaN, as in the reference code. "skip": such
            clips do not enter the mean.
    """

    name: str
    query_mode: QueryMode
    version: int = 1
    query_stride: int = 5
    input_size: Size = (256, 256)
    metric_size: Size = (256, 256)
    resize: Literal["lanczos", "crop"] = "lanczos"
    short_side: int | None = None
    thresholds: tuple[int, ...] = THRESHOLDS
    first_n_frames: int | None = None
    chunk: int | None = None
    max_tracks: int | None = None
    nan_policy: Literal["propagate", "skip"] = "propagate"
    seed: int = 67

    def digest(self, dataset_digest: str) -> str:
        """SHA-256 (hex) of the protocol on a dataset. Numbers are comparable if their digests are equal."""
        return config.digest({"protocol": self, "dataset": dataset_digest})

    @property
    def sentence(self) -> str:
        """The protocol in one line. Every table prints it above the numbers."""
        (height, width), (metric_height, metric_width) = self.input_size, self.metric_size
        asked = "query first" if self.query_mode == "first" else f"query strided ({self.query_stride})"
        scored = f", first {self.first_n_frames} frames" if self.first_n_frames else ""
        chunks = f", {self.chunk}-frame chunks" if self.chunk else ""
        note = "" if self.name.startswith("tapvid-") else "; not comparable with TAP-Vid"
        if not note and self.name not in PROTOCOLS:
            note = "; TAP-Vid's input is 256×256"
        return (
            f"{self.name} v{self.version}: {asked}{chunks}{scored}, input {width}×{height} ({self.resize}), "
            f"scored at {metric_width}×{metric_height}{note}"
        )


def sentence_for(dataset: OpenedDataset, protocol: EvalProtocol) -> str:
    """The protocol in one line, with a remark if the dataset chooses the queries."""
    own = dataset.own_queries and not protocol.chunk
    return protocol.sentence + ("; queries are the dataset's own" if own else "")


_SIZE = r"([1-9]\d*)x([1-9]\d*)"
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        EvalProtocol("tapvid-first", "first"),
        EvalProtocol("tapvid-strided", "strided"),
        # The released evaluation of Video-GMAE (tekotan/video-gmae c630810) scores random 224×224 crops, chunks of
        # 16 frames, queries at the first frame of each, at most 15 tracks, 4 frames scored, in pixels of the crop.
        EvalProtocol(
            "videogmae-release",
            "first",
            input_size=(224, 224),
            metric_size=(224, 224),
            resize="crop",
            short_side=256,
            first_n_frames=5,
            chunk=16,
            max_tracks=15,
            nan_policy="skip",
        ),
    )
}


def find(name: str | None, query_mode: QueryMode | None) -> EvalProtocol:
    """The protocol with this name. Without a name, TAP-Vid's for the query mode ("first" by default).

    A name such as "tapvid-first-384x512" is that of a derived protocol, see `with_input`.

    Raises:
        UnknownNameError: there is no such protocol.
        UsageError: the protocol has another query mode.
    """
    if name is None:
        return PROTOCOLS[f"tapvid-{query_mode or 'first'}"]
    base, _, text = name.rpartition("-")
    if base in PROTOCOLS and re.fullmatch(_SIZE, text):
        return with_input(find(base, query_mode), parse_size(text))
    if name not in PROTOCOLS:
        raise UnknownNameError(f'There is no protocol "{name}"', suggestion(name, PROTOCOLS))
    protocol = PROTOCOLS[name]
    if query_mode not in (None, protocol.query_mode):
        what = f"Protocol {name} has the query mode {protocol.query_mode}"
        raise UsageError(what, f"--query-mode {query_mode} contradicts it")
    return protocol


def with_input(protocol: EvalProtocol, size: Size) -> EvalProtocol:
    """The protocol with other frames for the tracker: resized from the source once, and scored in the same raster.

    It has a name and a digest of its own, so that its numbers are never taken for those of the protocol it comes from.

    Arguments:
        size: (height, width).

    Raises:
        UsageError: the protocol crops its frames.
    """
    if size == protocol.input_size:
        return protocol
    if protocol.resize != "lanczos":
        raise UsageError(f"The input of {protocol.name} cannot have another size", "it crops frames of that size")
    return replace(protocol, name=f"{protocol.name}-{size[0]}x{size[1]}", input_size=size)


def parse_size(text: str) -> Size:
    """ "384x512" → (384, 512), height and width.

    Raises:
        UsageError: it is no such size, or a side has less than 8 or more than 4096 pixels.
    """
    found = re.fullmatch(_SIZE, text)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(8 <= side <= 4096 for side in size):
        raise UsageError(f'"{text}" is no input size', "it looks like 384x512, height and width from 8 to 4096 pixels")
    return size


@dataclass(frozen=True, eq=False)
class QuerySet:
    """Queries on some frames, and the true tracks.

    Attributes:
        queries: M queries, raster pixels of the frames.
        track: int64 [M], the row of `target_xy` that belongs to each query.
        target_xy: float64 [N, T, 2], raster pixels of the metric raster.
        target_occluded: bool [N, T].
        annotated: bool [T], the frames that count; None: all.
        radius: float64 [T, 2], half axes (x, y) in the metric raster of the ellipse in which a keypoint counts as
            correct (PCK); None if the dataset has no such radius.
    """

    queries: Queries
    track: npt.NDArray[np.int64]
    target_xy: npt.NDArray[np.float64]
    target_occluded: BoolArray
    annotated: BoolArray | None = None
    radius: FloatArray | None = None


def query_sets(clip: Clip, protocol: EvalProtocol, *, blank: bool = False) -> Iterator[tuple[Uint8Array, QuerySet]]:
    """The protocol's query sets for a clip, each with its frames as the tracker gets them: uint8 [T, H, W, 3].

    Parts of the clip without any visible track have no query set. If only some frames are annotated, only these have
    queries, and strides count annotated frames. A clip can define its own queries (Kubric). Protocols on whole clips
    use these, and the query mode then only tells which frames are scored.

    Arguments:
        blank: give black frames and read none, for callers that need the query sets only.

    Raises:
        UsageError: the protocol cuts clips into chunks, and only some frames of the clip are annotated.
    """

    def black(size: Size) -> Uint8Array:
        return np.broadcast_to(np.uint8(0), (clip.num_frames, *size, 3))

    if clip.annotated is not None and protocol.chunk:
        why = f"{clip.id} has annotations in some frames only"
        raise UsageError(f"Protocol {protocol.name} cuts clips into chunks", why)
    circles = None if clip.radius is None else np.repeat(clip.radius[:, None], 2, axis=1)
    radius = None if circles is None else rescale(circles, clip.size, protocol.metric_size)
    for frames, target, occluded in _views(clip, protocol, black if blank else clip.frames):
        asked = np.arange(len(frames)) if clip.annotated is None else np.flatnonzero(clip.annotated)
        if clip.asked is not None and not protocol.chunk:
            asked, track = np.arange(len(frames)), np.arange(len(target))
            sample = QuerySample(clip.asked, target[track, clip.asked], track)
        elif protocol.query_mode == "first":
            sample = sample_first(occluded[:, asked], target[:, asked])
        else:
            sample = sample_strided(occluded[:, asked], target[:, asked], protocol.query_stride)
        if len(sample.frame):
            queries = Queries(asked[sample.frame], rescale(sample.xy, protocol.metric_size, protocol.input_size))
            yield frames, QuerySet(queries, sample.track, target, occluded, clip.annotated, radius)


def scored_tracks(query_set: QuerySet, tracks: Tracks, protocol: EvalProtocol) -> ScoredTracks:
    """True and predicted tracks in the metric raster, with only the frames that are scored.

    Frames without annotations are removed. Metrics then see a clip of annotated frames and count time in these frames.
    """
    scored, query_frame = slice(protocol.first_n_frames), query_set.queries.frame
    compared = ScoredTracks(
        query_frame=query_frame,
        target_xy=query_set.target_xy[query_set.track, scored],
        target_occluded=query_set.target_occluded[query_set.track, scored],
        xy=rescale(tracks.xy[:, scored], protocol.input_size, protocol.metric_size),
        occluded=~tracks.visible[:, scored],
        query_mode=protocol.query_mode,
        thresholds=protocol.thresholds,
        radius=None if query_set.radius is None else query_set.radius[scored],
    )
    return compared if query_set.annotated is None else compared.only(query_set.annotated[scored])


_View = tuple[Uint8Array, npt.NDArray[np.float64], BoolArray]


def _views(clip: Clip, protocol: EvalProtocol, read: Callable[[Size], Uint8Array]) -> Iterator[_View]:
    """(frames in the input raster, true positions in the metric raster, occlusion) of the clip or of each of its chunks."""
    if protocol.resize == "lanczos":
        yield read(protocol.input_size), clip.tracks(protocol.metric_size), clip.occluded
        return
    assert protocol.chunk is not None and protocol.short_side is not None  # only "crop" has them
    scale = protocol.short_side / min(clip.size)
    scaled: Size = (round(clip.size[0] * scale), round(clip.size[1] * scale))
    frames, targets = read(scaled), clip.tracks(scaled)
    # One generator per clip: the crops depend neither on the order of clips nor on sharding. (The released code
    # draws them all from one stream.)
    rng = np.random.default_rng([protocol.seed, zlib.crc32(clip.id.encode())])
    for start in range(0, clip.num_frames - protocol.chunk + 1, protocol.chunk):
        chunk = slice(start, start + protocol.chunk)
        yield from _crop(frames[chunk], targets[:, chunk], clip.occluded[:, chunk], protocol, rng)


def _crop(
    frames: Uint8Array,
    targets: npt.NDArray[np.float64],
    occluded: BoolArray,
    protocol: EvalProtocol,
    rng: np.random.Generator,
) -> Iterator[_View]:
    """A random crop. Points outside become occluded and are clamped. Only tracks visible in the first frame stay."""
    height, width = protocol.input_size
    top = int(rng.integers(frames.shape[1] - height + 1))
    left = int(rng.integers(frames.shape[2] - width + 1))
    xy = targets - np.array([left, top])
    outside = ((xy < 0) | (xy >= np.array([width, height]))).any(axis=-1)
    hidden = occluded | outside
    kept = np.flatnonzero(~hidden[:, 0])
    if protocol.max_tracks is not None and len(kept) > protocol.max_tracks:
        kept = np.sort(rng.choice(kept, protocol.max_tracks, replace=False))
    if len(kept):
        cropped = frames[:, top : top + height, left : left + width]
        yield cropped, np.clip(xy[kept], 0, [width, height]), hidden[kept]
