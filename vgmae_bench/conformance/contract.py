"""Checks of trackers: valid results, tracks through their queries, and no effect of other queries or earlier calls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vgmae_bench.conformance.findings import Finding
from vgmae_bench.conformance.probe import SAME, BrokenError, Probe, another_random_state, gap
from vgmae_bench.conformance.textures import Frames, affine, clip, points
from vgmae_bench.evaluation.mistakes import OF_POSITIONS, explain
from vgmae_bench.types import Queries, Tracks

OFF = 0.2
"""Largest allowed distance in pixels between a track in its query frame and the query."""


def shapes(probe: Probe) -> Iterator[Finding]:
    """Ordinary queries have valid results: shapes, finite positions, confidence in [0, 1]."""
    try:
        tracks = probe.answered
    except BrokenError as error:
        mend = (
            "return Tracks(xy float32 [N, T, 2], visible bool [N, T]), and confidence float32 [N, T] in [0, 1] or None"
        )
        yield Finding("shapes", "fault", str(error), "Nothing can be scored", mend)
        return
    sure = "with confidence" if tracks.confidence is not None else "no confidence"
    yield Finding("shapes", "pass", f"xy {list(tracks.xy.shape)}, visible {list(tracks.visible.shape)}, {sure}")


def edges(probe: Probe) -> Iterator[Finding]:
    """Valid but unusual queries. Each one without a valid result is a fault."""
    bad = []
    asked = _edge_cases(probe)
    for name, frames, queries in asked:
        try:
            probe.ask(frames, queries)
        except BrokenError as error:
            why = "Datasets contain such queries. The clip would fail, and scores would leave it out"
            mend = f"track {len(queries)} queries on {len(frames)} frames of {frames.shape[2]} × {frames.shape[1]} px"
            bad.append(Finding(f"edge: {name}", "fault", str(error), why, mend))
    yield from bad
    if not bad:
        yield Finding("edges", "pass", "answers " + ", ".join(name for name, _, _ in asked))


def _edge_cases(probe: Probe) -> list[tuple[str, Frames, Queries]]:
    height, width = probe.size
    pan, last = probe.frames, probe.length - 1
    middle = [[width / 2, height / 2]]

    def at(xy: list[list[float]], frame: int = 0) -> Queries:
        return Queries(np.full(len(xy), frame, dtype=np.int64), np.array(xy, dtype=np.float32))

    return [
        ("one query", pan, probe.queries[:1]),
        ("equal queries", pan, at(middle * 2)),
        ("corners", pan, at([[0, 0], [width, 0], [0, height], [width, height]])),
        ("outside", pan, at([[-3.0, height + 3.0], [width + 20.0, -20.0]])),
        ("one frame", pan[:1], at(middle)),
        ("two frames", pan[:2], at(middle * 2)),
        ("last frame", pan, at(middle, last)),
        ("odd size", np.ascontiguousarray(pan[:, : height - 3, : width - 5]), at(middle)),
    ]


def inputs(probe: Probe) -> Iterator[Finding]:
    """The tracker leaves frames and queries unchanged, in the calls of all checks."""
    _ = probe.answered
    if probe.changed:
        what = f"it changes the {' and the '.join(sorted(probe.changed))} that it gets"
        yield Finding(
            "inputs", "fault", what, "The caller uses them afterwards, to score and to draw", "work on a copy"
        )
    else:
        yield Finding("inputs", "pass", "frames and queries stay unchanged")


def on_query(probe: Probe) -> Iterator[Finding]:
    """In the query frame, a track passes through its query. If a known mistake explains an offset, the finding names it."""
    queries = points(40, [n % probe.length for n in range(40)], probe.size, seed=5, inner=0.9)
    tracks = probe.ask(probe.frames, queries)
    found = tracks.xy[np.arange(len(queries)), queries.frame].astype(np.float64)
    asked = queries.xy.astype(np.float64)
    distance = np.linalg.norm(found - asked, axis=-1)
    typical, worst = float(np.median(distance)), float(distance.max())
    what = f"in the query frame it is {typical:.3g} px (median; at most {worst:.3g}) off the query"
    if worst <= OFF:
        yield Finding("on the query", "pass", what)
        return
    mistake = explain(found, asked, probe.size, OF_POSITIONS, 0.25)
    why = "The position there is known. A mistake that shifts it shifts all other positions, too"
    if mistake is not None:
        yield Finding("on the query", "fault", f"{what}, which is {mistake.name}", why, mistake.mend)
    elif probe.untrained and np.median(distance[queries.frame == 0]) > typical / 4 > OFF / 4:
        what += ", in the first frame as well, and no usual mistake explains it; its weights are random"
        yield Finding("on the query", "info", what)
    elif typical > OFF:
        mend = "answer queries.xy[n] in frame queries.frame[n]; is queries.frame taken for the first frame?"
        yield Finding("on the query", "fault", f"{what}, and no usual mistake explains it", why, mend)
    else:
        share = float((distance > OFF).mean())
        yield Finding("on the query", "info", f"{what}; {share:.0%} of the queries are more than {OFF} px off")


def repeated(probe: Probe) -> Iterator[Finding]:
    """The tracks stay the same after a call with another clip and in another random state."""
    first = probe.answered
    other = clip([affine(probe.size, angle=0.03 * t) for t in range(probe.length)], probe.size, seed=9)
    with another_random_state(123):
        probe.ask(other, points(2, 0, probe.size, seed=4))
        again = probe.ask(probe.frames, probe.queries)
    apart, flags = gap(first, again)
    what = f"asked again after another clip: {apart:.2g} px apart, {flags} flags differ"
    if apart <= SAME and not flags:
        yield Finding("repeatable", "pass", what)
    elif probe.spec.random:
        yield Finding("repeatable", "info", what + "; its SPEC says that it is random")
    else:
        why = "A run that is resumed, sharded or reproduced would have other scores"
        mend = "seed a generator for each clip and keep no state, or declare random=True in the SPEC"
        yield Finding("repeatable", "fault", what, why, mend)


def independent(probe: Probe) -> Iterator[Finding]:
    """The track of a query does not depend on other queries: all at once, one by one, in another order, among others."""
    if probe.spec.random:
        yield Finding("independent", "info", "cannot tell: its SPEC says that it is random")
        return
    joint = probe.answered
    alone = [probe.ask(probe.frames, probe.queries[n : n + 1]) for n in range(len(probe.queries))]
    one_by_one = Tracks.concatenate(alone)
    order = np.array([3, 1, 4, 0, 2])
    shuffled, back = probe.ask(probe.frames, probe.queries[order]), np.argsort(order)
    results = {
        "one by one": gap(joint, one_by_one),
        "in another order": gap(joint, shuffled[back]),
        "beside equal and far queries": gap(joint, _among_others(probe)),
    }
    what = "; ".join(f"{how}: {apart:.2g} px, {flags} flags" for how, (apart, flags) in results.items())
    understated = "; its weights are random, so that dependence is understated" if probe.untrained else ""
    if probe.spec.queries == "joint":
        what += "; its SPEC declares joint queries, which are asked one at a time"
        yield Finding("independent", "info", f"jointly or {what}")
    elif all(apart <= SAME and not flags for apart, flags in results.values()):
        yield Finding("independent", "pass", f"jointly or {what}{understated}")
    else:
        why = "TAP-Vid asks each query on its own. Queries that see each other reveal where the object is"
        mend = "do not normalise over queries or attend between them, and do not choose a code path by their number"
        yield Finding("independent", "fault", f"jointly or {what}{understated}", why, mend)


def _among_others(probe: Probe) -> Tracks:
    """The tracks of the usual queries in a call with many others."""
    others = points(12, [n % probe.length for n in range(12)], probe.size, seed=8, inner=0.9)
    frame = np.concatenate([probe.queries.frame, others.frame, probe.queries.frame[:1]])
    xy = np.concatenate([probe.queries.xy, others.xy, probe.queries.xy[:1]])
    tracks = probe.ask(probe.frames, Queries(frame, xy))
    return tracks[: len(probe.queries)]
