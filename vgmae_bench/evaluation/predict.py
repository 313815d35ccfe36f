"""The prediction loop: trackers answer queries, and the run's folder keeps the predictions."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Sequence
from contextlib import closing

from vgmae_bench.ahead import NextAhead, read_memory, read_threads
from vgmae_bench.data.appearance import misread
from vgmae_bench.data.dataset import Dataset
from vgmae_bench.errors import PluginError, StorageError, UserError
from vgmae_bench.evaluation.asking import Asking, answer
from vgmae_bench.evaluation.protocols import EvalProtocol, QuerySet, query_sets
from vgmae_bench.evaluation.records.results import Cost, Maker
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.progress.bar import Progress
from vgmae_bench.provenance import peak_memory_mb
from vgmae_bench.types import Tracker, Tracks, Uint8Array

_log = logging.getLogger(__name__)

Asked = tuple[Uint8Array, QuerySet]
"""The frames that the tracker gets, and a query set on these frames."""

_ALIKE = 3
"""The run stops after this many clips in a row for which the tracker fails in the same place."""


class StoppedError(PluginError):
    """The tracker failed in the same place for several clips in a row. `__cause__` is its error."""


def predict(
    tracker: Tracker,
    dataset: Dataset,
    clip_ids: Sequence[str],
    protocol: EvalProtocol,
    folder: RunFolder,
    *,
    how: Asking,
    made_by: Maker | None = None,
    redo: bool = False,
    allow_nonfinite: bool = False,
) -> None:
    """Predict the clips that have no prediction yet. If a clip fails, the loop notes and logs it, and continues.

    The folder keeps the traceback of the first failure.

    Several processes can do this at once. Only one of them predicts a clip. Each returns when all clips are done.

    Arguments:
        how: see `vgmae_bench.evaluation.asking.asking_of`.
        made_by: this process, noted with every clip that it predicts.
        redo: predict all clips again and replace the old predictions clip by clip.
        allow_nonfinite: keep positions that are not finite. Otherwise a clip with one fails.

    Raises:
        StorageError: predictions cannot be written. The run stops, because further predictions would be lost too.
        StoppedError: the tracker failed for several clips in a row, each time in the same place.
    """
    elsewhere: list[str] = []
    """Clips that another process was predicting."""
    failed_at: list[tuple[str, int]] = []
    """The file and the line of each failure since the last clip that the tracker predicted."""
    failures = 0
    clips = _clips_ahead(dataset, protocol)
    backward = protocol.query_mode == "strided"

    def to_do(clip_id: str) -> bool:
        return redo or not folder.has_prediction(clip_id)

    def work(clip_id: str, following: str | None) -> None:
        nonlocal failures
        progress.note(clip_id)
        asked = None
        try:
            asked, doubt = clips.get(clip_id, following)
            answered, cost = _answers(tracker, asked, how, backward=backward, allow_nonfinite=allow_nonfinite)
        except StorageError:
            raise
        except Exception as error:  # the other clips are still worth predicting
            reason = error.reason if isinstance(error, UserError) else repr(error)
            folder.write_failure(clip_id, reason)
            failures += 1
            kept = f" (traceback: {folder.write_traceback(error)})" if failures == 1 else ""
            _log.warning(f"{clip_id} failed: {reason}{kept}")
            if asked is None:  # the clip cannot be read
                return
            last = traceback.extract_tb(error.__traceback__)[-1]
            failed_at.append((last.filename, last.lineno or 0))
            if len(failed_at) >= _ALIKE and len(set(failed_at[-_ALIKE:])) == 1:
                raise StoppedError(
                    f"The tracker failed for {_ALIKE} clips in a row, each time in the same place",
                    f"the run stops: {reason}",
                    try_="the same command with --debug, which shows the traceback",
                ) from error
        else:
            folder.write_prediction(clip_id, answered, cost, made_by, doubt)
            failed_at.clear()

    with closing(clips), Progress("tracking", "clips", len(clip_ids)) as progress:
        for number, clip_id in enumerate(clip_ids, 1):
            with folder.claim(clip_id) as mine:
                if not mine:
                    elsewhere.append(clip_id)
                    continue
                open_here = to_do(clip_id)  # checked just before: another process may share the run
                if open_here:
                    work(clip_id, next(filter(to_do, clip_ids[number:]), None))
                progress.advance(skipped=not open_here)
        for clip_id in elsewhere:  # another process had them; if it was killed, they are still missing
            with folder.claim(clip_id, wait=True):
                if not folder.has_prediction(clip_id) and folder.note(clip_id).error is None:
                    work(clip_id, None)
            progress.advance(skipped=True)


def _clips_ahead(dataset: Dataset, protocol: EvalProtocol) -> NextAhead[tuple[list[Asked], str]]:
    """The query sets and frames of each clip, and a doubt about its true tracks, or empty.

    The next clip is read while the tracker works on the present one.
    """

    def make(clip_id: str, ahead: bool) -> tuple[list[Asked], str] | None:
        clip = dataset.clip(clip_id)
        height, width = protocol.input_size
        if ahead and clip.num_frames * height * width * 3 > read_memory():
            return None
        asked = list(query_sets(clip, protocol))
        whole = len(asked) == 1 and protocol.resize == "lanczos"  # crops show parts of the frame
        better = misread(clip.points, clip.occluded, asked[0][0], clip.size) if whole else None
        return asked, better.fault if better else ""

    return NextAhead(make, ahead=read_threads() > 0)


def _answers(
    tracker: Tracker, asked: list[Asked], how: Asking, *, backward: bool, allow_nonfinite: bool
) -> tuple[list[tuple[QuerySet, Tracks]], Cost]:
    """The tracker's answers for all query sets of a clip, and their cost."""
    answered, seconds = [], 0.0
    for frames, query_set in asked:
        start = time.perf_counter()
        tracks = answer(tracker, frames, query_set.queries, how, backward=backward, allow_nonfinite=allow_nonfinite)
        seconds += time.perf_counter() - start
        answered.append((query_set, tracks))
    frames_seen, queries = sum(len(frames) for frames, _ in asked), sum(len(one.queries) for _, one in asked)
    return answered, Cost(seconds, peak_memory_mb(), frames_seen, queries)
