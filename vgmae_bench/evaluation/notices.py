"""What looks wrong in a run and can be noticed at no cost: answers are looked at as they are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vgmae_bench import plugins
from vgmae_bench.evaluation.protocols import EvalProtocol, QuerySet
from vgmae_bench.evaluation.records.results import Record
from vgmae_bench.types import Tracks

OFF = 0.2
"""Pixels of the frames that the tracker was given. A track that begins farther from its query is off it."""
_EARLY = 2
"""A query that has so many frames before it has a past that can be looked at."""


@dataclass(frozen=True)
class Look:
    """Counts of one query set.

    Attributes:
        tracks: M.
        lost: positions that are not finite, of M · T.
        off: tracks that are more than `OFF` from their query in its frame.
        offset: the median distance there, pixels.
        late: tracks with a past that move after their query.
        frozen: those of them that do not move before it.
        shown: whether any point is called visible in a frame other than its query's.
    """

    tracks: int
    lost: int
    off: int
    offset: float
    late: int
    frozen: int
    shown: bool


def look(query_set: QuerySet, tracks: Tracks) -> Look:
    """Look at the answers to one query set."""
    queries, xy = query_set.queries, tracks.xy
    rows, number = np.arange(len(queries)), np.arange(xy.shape[1])
    finite = np.isfinite(xy.sum(axis=2))
    at_query = xy[rows, queries.frame]
    distance = np.linalg.norm(at_query - queries.xy, axis=-1)
    moves = np.abs(xy - at_query[:, None]).max(axis=-1) > 0
    before = number < queries.frame[:, None]
    late = (queries.frame >= _EARLY) & (moves & ~before).any(axis=1)
    return Look(
        tracks=len(queries),
        lost=int((~finite).sum()),
        off=int((distance > OFF).sum()),  # a position that is not finite is counted by itself
        offset=float(np.nanmedian(distance)) if finite[rows, queries.frame].any() else 0.0,
        late=int(late.sum()),
        frozen=int((late & ~(moves & before).any(axis=1)).sum()),
        shown=bool((tracks.visible & (number != queries.frame[:, None])).any()),
    )


def notices(record: Record, looks: Sequence[Look], protocol: EvalProtocol) -> list[str]:
    """What looks wrong in a run, one sentence each.

    Arguments:
        record: of the run. What another program predicted is looked at elsewhere.
        looks: at all query sets that were scored.
        protocol: a clip's past is scored in strided mode only.
    """
    if not looks or record.external is not None:
        return []
    name = record.method.name
    tracks, found = sum(one.tracks for one in looks), []
    if lost := sum(one.lost for one in looks):
        clips = sum(bool(one.lost) for one in looks)
        found.append(f"{lost} positions are not finite, in {clips} of {len(looks)} clips; they count as wrong")
    if off := sum(one.off for one in looks):
        typical = float(np.median([one.offset for one in looks if one.off]))
        found.append(
            f"{off} of {tracks} tracks do not lie on their query in its frame ({typical:.2f} px off); "
            f"vgmae-bench check {name} says why"
        )
    late, frozen = sum(one.late for one in looks), sum(one.frozen for one in looks)
    if protocol.query_mode == "strided" and late and frozen > 0.9 * late:
        found.append(
            f"{frozen} of {late} tracks do not move before their query, and these frames are scored: a tracker that looks "
            "forward only declares causal=True in its SPEC"
        )
    if not any(one.shown for one in looks):
        found.append("no point is ever called visible: Jaccard is 0 however good the positions are; is it inverted?")
    return found + _small_weights(record)


def _small_weights(record: Record) -> list[str]:
    """Weights that are there to try a method out, on a published dataset."""
    methods = {plugin.name: plugin.spec for plugin in plugins.installed("methods") if plugin.spec}
    datasets = {plugin.name: plugin.spec for plugin in plugins.installed("datasets") if plugin.spec}
    method, dataset, weights = methods.get(record.method.name), datasets.get(record.dataset.name), record.method.weights
    if method is None or dataset is None or weights is None or dataset.embedded or not dataset.published_clips:
        return []
    if weights.name not in method.small_weights:
        return []
    return [
        f"the weights {weights.name} are much smaller than the paper's: these are not the numbers of {method.name} on "
        f"{dataset.name}"
    ]
