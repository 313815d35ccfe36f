"""Functions for single clips: open, ask, track, score, draw."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.api.objects import AnyMethod, dataset_of, method_of
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.asking import answer
from vgmae_bench.types import Clip, Queries, Tracks

_log = logging.getLogger(__name__)


def open_dataset(
    name: str, *, settings: Mapping[str, Any] | None = None, data_root: str | Path | None = None
) -> OpenedDataset:
    """A dataset by its name: `vb.open_dataset("synth")["synth-00000"]` is a `Clip`, iterating gives all clips.

    Arguments:
        name: as after `--dataset`, or `file.py:Class`.
        settings: of the dataset, see `vgmae-bench show NAME`.
        data_root: folder of the datasets; None: the usual one.

    Raises:
        UserError: unknown name, wrong settings, files missing or damaged.
    """
    return dataset_of(name, settings=settings, data_root=data_root)


def ask(clip: Clip, *, protocol: str = "tapvid-first") -> tuple[npt.NDArray[np.uint8], Queries]:
    """The frames and queries of a clip under a protocol.

    Returns:
        The frames as a tracker gets them, uint8 [T, H, W, 3] RGB (256 × 256 in TAP-Vid), and the queries in raster pixels
        of these frames.

    Raises:
        UnknownNameError: no such protocol.
        UsageError: the protocol cuts clips into pieces, or nothing in the clip can be asked about.
    """
    frames, query_set = _query_set(clip, protocols.find(protocol, None))
    return frames, query_set.queries


def track(
    frames: npt.NDArray[np.uint8],
    queries: Queries,
    *,
    method: AnyMethod = "videogmae",
    weights: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str = "auto",
    seed: int = 0,
    causal: bool = False,
    ask: str | None = None,
) -> Tracks:
    """Track points through a video in memory, forward and backward from their query frames.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB, passed to the method unchanged.
        queries: raster pixels of the frames, pixel centres at +0.5.
        method: a name, `file.py:Class`, a tracker, or a class that makes one.
        weights: a name that the method knows, a file, or "random"; None: its default ones.
        settings: of the method, see `vgmae-bench show NAME`.
        device: "auto", "cpu" or "cuda".
        seed: for methods that draw random numbers.
        causal: for a tracker or a class: it tracks forward in time only.
        ask: "single", "frame" or "all" queries in a call, or "all:64"; None: as suits the method.

    Returns:
        Positions in raster pixels of the frames, and visibility.

    Raises:
        UsageError: frames or queries have the wrong type, or a query's frame does not exist.
        UserError: the method cannot be found or built, or does not return tracks.
    """
    _check_frames(frames)
    if not isinstance(queries, Queries):
        raise UsageError(
            "Queries are a vgmae_bench.Queries",
            f"this is a {type(queries).__name__}; a bare array does not say which column is the frame",
            try_="vgmae_bench.Queries(frame=[0], xy=[[x, y]])",
        )
    if len(queries) and not (queries.frame.min() >= 0 and queries.frame.max() < len(frames)):
        raise UsageError("A query has a frame outside the clip", f"there are frames 0 to {len(frames) - 1}")
    used = method_of(method, weights=weights, settings=settings, device=device, seed=seed, causal=causal, ask=ask)
    return answer(used.tracker, frames, queries, used.how, backward=True)


def score(tracks: Tracks, clip: Clip, *, protocol: str = "tapvid-first") -> dict[str, float]:
    """The metrics of one clip. Signs of a mistake in the tracks, such as exchanged coordinates, are logged as warnings.

    Arguments:
        tracks: answers to the queries of `ask(clip, protocol=protocol)`, in their order and in pixels of those frames.
        clip: with the true tracks.
        protocol: determines the frames that count, and the raster of pixel distances.

    Returns:
        All metrics by name, as fractions (errors in pixels); NaN where a metric has no value.

    Raises:
        UnknownNameError: no such protocol.
        UsageError: there are more or fewer tracks than queries, the protocol cuts clips into pieces, or an argument has
            another type.
    """
    from vgmae_bench.evaluation.other_programs.convention import packed
    from vgmae_bench.evaluation.other_programs.plausibility import doubts, look
    from vgmae_bench.evaluation.score import load_metrics

    if not isinstance(tracks, Tracks) or not isinstance(clip, Clip):
        raise UsageError("score takes tracks and a clip", f"not {type(tracks).__name__} and {type(clip).__name__}")
    chosen = protocols.find(protocol, None)
    _, query_set = _query_set(clip, chosen, blank=True)
    expected = (len(query_set.queries), query_set.target_xy.shape[1])
    if tracks.visible.shape != expected:
        raise UsageError(
            f"There are {tracks.visible.shape[0]} tracks of {tracks.visible.shape[1]} frames",
            f"the protocol has {expected[0]} queries and {expected[1]} frames",
            try_="frames, queries = vgmae_bench.ask(clip)",
        )
    for doubt in doubts([look(clip.id, query_set, tracks, packed(chosen), clip.size, chosen)]):
        _log.warning("doubtful: %s", doubt)
    given = protocols.scored_tracks(query_set, tracks, chosen)
    values: dict[str, float] = {}
    for compute in load_metrics().values():
        values |= {name: float(value) for name, value in compute(given).items()}
    return values


def draw(frames: npt.NDArray[np.uint8], tracks: Tracks, *, trail: int = 12) -> npt.NDArray[np.uint8]:
    """Draw tracks on a video: dots for visible points, rings for hidden points.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB.
        tracks: in raster pixels of the frames.
        trail: length of a trail in frames.

    Returns:
        uint8 [T, H, W, 3] RGB.

    Raises:
        UsageError: frames or tracks have the wrong type, or their numbers of frames differ.
    """
    _check_frames(frames)
    if not isinstance(tracks, Tracks) or tracks.xy.shape[1] != len(frames):
        told = f"tracks of {tracks.xy.shape[1]} frames" if isinstance(tracks, Tracks) else type(tracks).__name__
        raise UsageError(f"A video of {len(frames)} frames needs vgmae_bench.Tracks of as many", f"these are {told}")
    from vgmae_bench.viz.draw import draw_tracks

    return draw_tracks(frames, tracks, trail=trail)


def _check_frames(frames: Any) -> None:
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        told = f"{frames.dtype} {list(frames.shape)}" if isinstance(frames, np.ndarray) else type(frames).__name__
        raise UsageError("Frames are a NumPy array uint8 [T, H, W, 3]", f"these are {told}")


def _query_set(
    clip: Clip, protocol: protocols.EvalProtocol, *, blank: bool = False
) -> tuple[npt.NDArray[np.uint8], protocols.QuerySet]:
    if protocol.chunk:
        raise UsageError(
            f"Protocol {protocol.name} cuts clips into pieces",
            "each piece has its own queries",
            try_="vgmae_bench.evaluate",
        )
    found = next(protocols.query_sets(clip, protocol, blank=blank), None)
    if found is None:
        raise UsageError(f"{clip.id} has no queries", "no point is visible in a possible query frame")
    return found
