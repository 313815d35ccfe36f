"""Loop 1: trackers answer queries, and the answers are kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from vgmae_bench.data.dataset import Dataset
from vgmae_bench.errors import PluginError, StorageError, UserError
from vgmae_bench.evaluation.protocols import EvalProtocol, query_sets
from vgmae_bench.evaluation.records.results import Cost, Maker
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.provenance import peak_memory_mb
from vgmae_bench.types import Queries, Tracker, Tracks

Value = TypeVar("Value", bound=np.generic)


def answer(
    tracker: Tracker, frames: npt.NDArray[np.uint8], queries: Queries, *, causal: bool, backward: bool
) -> Tracks:
    """Ask a tracker. One that only looks forward is asked about the reversed clip for the frames before each query.

    Arguments:
        causal: the tracker does not track backward in time.
        backward: frames before a query matter; otherwise the second pass is saved.

    Raises:
        PluginError: the tracker returned something else than tracks of these queries.
    """
    num_frames = len(frames)
    forward = _checked(tracker.track(frames, queries), len(queries), num_frames)
    asked = np.flatnonzero(queries.frame > 0)
    if not (causal and backward and len(asked)):
        return forward
    reversed_queries = Queries(num_frames - 1 - queries.frame[asked], queries.xy[asked])
    back = _checked(tracker.track(np.ascontiguousarray(frames[::-1]), reversed_queries), len(asked), num_frames)
    before = np.arange(num_frames) < queries.frame[asked, None]

    def join(ahead: npt.NDArray[Value], behind: npt.NDArray[Value]) -> npt.NDArray[Value]:
        joined = ahead.copy()
        mask = before[..., None] if ahead.ndim == 3 else before
        joined[asked] = np.where(mask, behind[:, ::-1], ahead[asked])
        return joined

    confidence = None
    if forward.confidence is not None and back.confidence is not None:
        confidence = join(forward.confidence, back.confidence)
    return Tracks(join(forward.xy, back.xy), join(forward.visible, back.visible), confidence)


def predict(
    tracker: Tracker,
    dataset: Dataset,
    clip_ids: Sequence[str],
    protocol: EvalProtocol,
    folder: RunFolder,
    *,
    causal: bool,
    made_by: Maker | None = None,
    redo: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Predict the clips that have no prediction yet. A clip that fails is noted, and the loop goes on.

    Several processes may do this at once. Each clip is predicted by one of them, and each returns when all clips are done.

    Arguments:
        made_by: this process, noted with every clip that it predicts.
        redo: predict them all, replacing what is there clip by clip.
        say: told of failures.

    Raises:
        StorageError: predictions cannot be written; going on would lose them.
    """
    bar = tqdm(clip_ids, unit="clip", disable=None, desc="tracking", file=sys.stderr)
    elsewhere: list[str] = []

    def work(clip_id: str) -> None:
        bar.set_postfix_str(clip_id)
        try:
            _predict_clip(tracker, dataset, clip_id, protocol, folder, causal=causal, made_by=made_by)
        except StorageError:
            raise
        except Exception as error:  # whatever a tracker or a file does, the other clips are still worth predicting
            reason = f"{error.what}: {error.why}" if isinstance(error, UserError) else repr(error)
            folder.write_failure(clip_id, reason)
            with tqdm.external_write_mode(file=sys.stderr):
                say(f"{clip_id} failed: {reason}")

    for clip_id in bar:
        with folder.claim(clip_id) as mine:
            if not mine:
                elsewhere.append(clip_id)
            elif redo or not folder.has_prediction(clip_id):  # looked up now: another process may share the run
                work(clip_id)
    for clip_id in elsewhere:  # another process had them; where it was killed, they are still to do
        with folder.claim(clip_id, wait=True):
            if not folder.has_prediction(clip_id) and folder.failure(clip_id) is None:
                work(clip_id)


def _predict_clip(
    tracker: Tracker,
    dataset: Dataset,
    clip_id: str,
    protocol: EvalProtocol,
    folder: RunFolder,
    *,
    causal: bool,
    made_by: Maker | None,
) -> None:
    answered, seconds, frames_seen = [], 0.0, 0
    for frames, query_set in query_sets(dataset.clip(clip_id), protocol):
        start = time.perf_counter()
        tracks = answer(tracker, frames, query_set.queries, causal=causal, backward=protocol.query_mode == "strided")
        seconds += time.perf_counter() - start
        frames_seen += len(frames)
        answered.append((query_set, tracks))
    cost = Cost(seconds, peak_memory_mb(), frames_seen, sum(len(query_set.queries) for query_set, _ in answered))
    folder.write_prediction(clip_id, answered, cost, made_by)


def _checked(tracks: Tracks, num_queries: int, num_frames: int) -> Tracks:
    if not isinstance(tracks, Tracks):
        raise PluginError("The tracker did not return Tracks", f"it returned a {type(tracks).__name__}")
    if tracks.visible.shape != (num_queries, num_frames):
        raise PluginError(
            "The tracker returned tracks of another size",
            f"asked for {num_queries} queries × {num_frames} frames, got {' × '.join(map(str, tracks.visible.shape))}",
        )
    return tracks
