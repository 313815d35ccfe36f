"""Checks of trackers: the track of a query does not depend on other queries or on earlier calls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vgmae_bench.conformance.findings import Finding
from vgmae_bench.conformance.probe import SAME, Probe, another_random_state, gap
from vgmae_bench.conformance.textures import affine, clip, points
from vgmae_bench.types import Queries, Tracks


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
