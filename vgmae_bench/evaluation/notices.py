"""Notices: signs of faults in a run's predictions. Scoring looks for them at almost no cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from vgmae_bench import plugins
from vgmae_bench.evaluation.mistakes import OF_POSITIONS, clips_by, explain, in_clips, inverted_in, looks_inverted
from vgmae_bench.evaluation.protocols import EvalProtocol, QuerySet
from vgmae_bench.evaluation.records.results import Record
from vgmae_bench.types import Tracks

OFF = 0.2
"""In pixels of the tracker's input. A track that is farther from its query, in the query frame, does not start there."""
_EARLY = 2
"""A query needs at least this many frames before it for a check of its past."""


@dataclass(frozen=True)
class Look:
    """Counts over the tracks of one query set.

    Attributes:
        tracks: M, the number of tracks.
        lost: how many of the M · T positions are not finite.
        off: how many tracks are more than `OFF` from their query in the query frame.
        offset: the median distance from the query in the query frame, in pixels.
        late: how many tracks have enough frames before the query and move after it.
        frozen: how many of these do not move before the query.
        shown: whether any point is predicted visible outside its query frame.
        mistake: the name of the mistake that explains positions off their queries, or empty.
        inverted: whether visibility looks inverted.
        clip: the clip's id.
    """

    tracks: int
    lost: int
    off: int
    offset: float
    late: int
    frozen: int
    shown: bool
    mistake: str = ""
    inverted: bool = False
    clip: str = ""


def look(query_set: QuerySet, tracks: Tracks, protocol: EvalProtocol, clip: str = "") -> Look:
    """Count the signs of faults in the predictions for one query set."""
    queries, xy = query_set.queries, tracks.xy.astype(np.float64)
    rows, number = np.arange(len(queries)), np.arange(xy.shape[1])
    finite = np.isfinite(xy.sum(axis=2))
    at_query = xy[rows, queries.frame]
    distance = np.linalg.norm(at_query - queries.xy, axis=-1)
    moves = np.abs(xy - at_query[:, None]).max(axis=-1) > 0
    before = number < queries.frame[:, None]
    late = (queries.frame >= _EARLY) & (moves & ~before).any(axis=1)
    off = distance > OFF  # false for NaN: `lost` counts these
    known = finite[rows, queries.frame]
    asked = queries.xy[known].astype(np.float64)
    mistake = explain(at_query[known], asked, protocol.input_size, OF_POSITIONS, OFF) if off.any() else None
    in_query_frame = number == queries.frame[:, None]
    return Look(
        tracks=len(queries),
        lost=int((~finite).sum()),
        off=int(off.sum()),
        offset=float(np.nanmedian(distance)) if known.any() else 0.0,
        late=int(late.sum()),
        frozen=int((late & ~(moves & before).any(axis=1)).sum()),
        shown=bool((tracks.visible & ~in_query_frame).any()),
        mistake="" if mistake is None else mistake.name,
        inverted=looks_inverted(tracks.visible, query_set.target_occluded[query_set.track], in_query_frame),
        clip=clip,
    )


def notices(record: Record, looks: Sequence[Look], doubts: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """What looks wrong in a run, one sentence each.

    Arguments:
        record: the run's record. Predictions of other programs have their own checks (`other_programs.plausibility`).
            Only "strided" protocols score the frames before a query.
        looks: the counts of all scored query sets.
        doubts: what looks wrong in the true tracks, by clip id.
    """
    if not looks or record.external is not None:
        return []
    tracks = sum(one.tracks for one in looks)
    found = [
        f"the true tracks of {len(those)} of {len(looks)} clips do not follow what is in the frames, the first is "
        f"{those[0]}: {doubt}; vgmae-bench data verify {record.dataset.name} names every such clip"
        for doubt, those in clips_by((doubt, clip) for clip, doubt in doubts.items()).items()
    ]
    if lost := sum(one.lost for one in looks):
        some = sum(bool(one.lost) for one in looks)
        found.append(f"{lost} positions are not finite, in {some} of {len(looks)} clips; they count as wrong")
    if off := sum(one.off for one in looks):
        typical = float(np.median([one.offset for one in looks if one.off]))
        mistakes = clips_by((one.mistake, one.clip) for one in looks).items()
        told = [f"{in_clips(those, len(looks))}, positions look like this mistake: {name}" for name, those in mistakes]
        off_by = f"{off} of {tracks} tracks do not lie on their query in its frame ({typical:.2f} px off)"
        found.append("; ".join([off_by, *told, f"vgmae-bench check {record.method.name} says why"]))
    late, frozen = sum(one.late for one in looks), sum(one.frozen for one in looks)
    if record.protocol.query_mode == "strided" and late and frozen > 0.9 * late:
        found.append(
            f"{frozen} of {late} tracks do not move before their query, and these frames are scored: a tracker that looks "
            'forward only declares direction="forward" in its SPEC'
        )
    if not any(one.shown for one in looks):
        found.append(
            "no point is ever called visible: Jaccard is 0 however good the positions are. Perhaps visibility is inverted"
        )
    elif inverted := [one.clip for one in looks if one.inverted]:
        found.append(inverted_in(inverted, len(looks)))
    return [*found, *_small_weights(record)]


def _small_weights(record: Record) -> list[str]:
    """A notice if the run used small trial weights on a published dataset."""
    weights = record.method.weights
    method = plugins.spec_of("methods", record.method.name)
    dataset = plugins.spec_of("datasets", record.dataset.name)
    if weights is None or method is None or weights.name not in method.small_weights:
        return []
    if dataset is None or dataset.embedded or not dataset.published_clips:
        return []
    return [
        f"the weights {weights.name} are much smaller than the paper's: these are not the numbers of {method.name} on "
        f"{dataset.name}"
    ]
