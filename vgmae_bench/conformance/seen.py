"""Checks of trackers: visible points are predicted visible, and covered points hidden."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vgmae_bench.conformance.findings import Finding
from vgmae_bench.conformance.probe import Probe
from vgmae_bench.conformance.textures import clip, covered
from vgmae_bench.types import Queries

_SIDE = 0.4
"""Side of the square that covers points, as a fraction of the frame's height."""


def visibility(probe: Probe) -> Iterator[Finding]:
    """In a pan, points are visible in all frames. Points under a square are hidden."""
    (height, width), length = probe.size, probe.length
    centre = (
        width / 2 + 2.0 * (length - 1),
        height / 2 - 1.0 * (length - 1),
    )  # where the pan takes the middle of the frame
    spread = np.random.default_rng(6).uniform(-3, 3, (20, 2))
    queries = Queries(np.zeros(20, dtype=np.int64), (spread + np.array([width, height]) / 2).astype(np.float32))
    seen, hidden = [], []
    for seed in range(3):
        frames = clip(probe.pan, probe.size, seed)
        seen.append(probe.ask(frames, queries).visible)
        under = covered(frames, centre, round(_SIDE * height), length // 2, seed=90 + seed)
        hidden.append(~probe.ask(under, queries).visible[:, -1])
    called_visible, called_hidden = float(np.mean(seen)), float(np.mean(hidden))
    what = (
        f"{called_visible:.0%} of the visible points are called visible, {called_hidden:.0%} of the covered ones hidden"
    )
    excuse = "; its weights are random" if probe.untrained else ""
    bad = called_visible < 0.5 and not probe.untrained
    if bad and called_hidden < 0.5:
        why = "Occlusion accuracy and Jaccard count the opposite of what they should"
        mend = "visible is True where a point is seen: ~occluded"
        yield Finding("visibility", "fault", f"{what}: it looks inverted", why, mend)
    elif bad:
        why = "Jaccard is near 0 however good the positions are"
        mend = "visible is True where a point is seen; is the threshold right? Does the code set it at all?"
        yield Finding("visibility", "fault", f"{what}: nearly everything is hidden", why, mend)
    elif called_visible > 0.9 and called_hidden > 0.9:
        yield Finding("visibility", "pass", what)
    elif called_hidden == 0:
        yield Finding("visibility", "info", f"{what}: it never notices that a point is covered{excuse}")
    else:
        yield Finding("visibility", "info", f"{what}{excuse}")
