"""Checks of trackers: the frames on which an answer depends, forward and backward in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vgmae_bench.conformance.findings import Finding
from vgmae_bench.conformance.motion import FOLLOWED
from vgmae_bench.conformance.probe import SAME, Probe
from vgmae_bench.conformance.textures import affine, clip, moved, points
from vgmae_bench.types import Queries

_LONG, _SHORT = 40, 20
"""Numbers of frames: more than two windows of 16 frames, the usual input of video models. For slow trackers, more than one."""


def looks_ahead(probe: Probe) -> Iterator[Finding]:
    """How many later frames the position in a frame depends on.

    The check replaces all frames from `cut` on. If the first changed position is in frame f, the tracker looks `cut` - f
    frames ahead.
    """
    if probe.spec.random:
        yield Finding("looks ahead", "info", "cannot tell: its SPEC says that it is random")
        return
    length = _LONG if probe.affordable(_LONG) >= _LONG // 4 else _SHORT
    warps = [affine(probe.size, move=(0.5 * t, 0.25 * t)) for t in range(length)]
    frames, other = clip(warps, probe.size), clip(warps, probe.size, seed=7)
    queries = points(6, [0, 0, 3, 3, 9, 9], probe.size, seed=2)
    base = probe.ask(frames, queries)
    ahead, asked = -1, _cuts(probe.affordable(length), length)
    for cut in asked:
        tracks = probe.ask(np.concatenate([frames[:cut], other[cut:]]), queries)
        changed = (np.abs(tracks.xy - base.xy).max(axis=-1) > SAME) | (tracks.visible != base.visible)
        # Only queries before the cut count, and only their frames from the query on.
        counted = changed & (queries.frame < cut)[:, None] & (np.arange(length) >= queries.frame[:, None])
        if counted.any():
            ahead = max(ahead, cut - int(np.flatnonzero(counted.any(axis=0))[0]))
    exact = len(asked) == length - 1
    every = "" if exact else f" (it is slow: the clip was cut at {len(asked)} of {length} frames)"
    declared = probe.spec.lookahead
    if ahead < 0:
        what = "its positions depend on no frame" if not probe.spec.floor else "it looks at no frame"
    elif ahead >= length - 10:
        what = f"its positions depend on all frames up to the end of {length} frames"
    else:
        what = f"its positions depend on {'' if exact else 'at least '}{ahead} later frames"
    if isinstance(declared, int) and ahead > declared:
        why = "Readers would think that the tracker can run on live video"
        mend = f"declare lookahead={ahead}, or None if positions depend on the whole clip"
        yield Finding("looks ahead", "fault", f"{what}{every}; its SPEC declares lookahead={declared}", why, mend)
    else:
        said = "declares none" if declared is None else f"declares lookahead={declared}"
        yield Finding("looks ahead", "info" if declared is None else "pass", f"{what}{every}; its SPEC {said}")


def _cuts(affordable: int, length: int) -> list[int]:
    """The frames to cut at: all, if there is time."""
    count = min(max(affordable, 4), length - 1)
    return [int(cut) for cut in np.unique(np.linspace(1, length - 1, count).round())]


def backward(probe: Probe) -> Iterator[Finding]:
    """The tracker follows motion before a query in the last frame, or its SPEC says that it looks forward only."""
    warps, last = probe.pan, probe.length - 1
    steps: list[list[float]] = [[], [], []]
    for seed in range(3):
        frames, start = clip(warps, probe.size, seed), points(20, 0, probe.size, seed=seed)
        true = moved(start.xy, warps)
        end = Queries(np.full(20, last, dtype=np.int64), true[:, -1].astype(np.float32))
        ahead, behind = probe.ask(frames, start), probe.ask(frames, end)
        steps[0].append(float(np.median(np.linalg.norm(ahead.xy[:, -1] - true[:, -1], axis=-1))))
        steps[1].append(float(np.median(np.linalg.norm(behind.xy[:, 0] - true[:, 0], axis=-1))))
        steps[2].append(float(np.abs(behind.xy[:, :-1] - behind.xy[:, -1:]).max()))
    forward_error, backward_error, moves = (float(np.median(values)) for values in steps)
    errors = f"{backward_error:.2f} px off, forward {forward_error:.2f} px"
    what = f"before a query in the last frame it moves by {moves:.1f} px and is {errors}"
    if probe.spec.floor:
        yield Finding("backward", "info", f"{what}: it is a floor")
    elif probe.spec.looks_forward:
        extra = "" if moves < 0.25 else ": it follows motion backward, too, so the benchmark runs it twice for nothing"
        yield Finding(
            "backward", "pass" if not extra else "info", f"{what}; its SPEC declares direction=forward{extra}"
        )
    elif moves < 0.25 or (forward_error <= FOLLOWED and backward_error > 4 * FOLLOWED):
        why = "In strided mode half of the scored frames lie before the query: 39.8 AJ in place of 74.6 was seen"
        mend = 'declare direction="forward" in the SPEC; the benchmark then also runs it on the reversed clip'
        yield Finding("backward", "fault", f"{what}; its SPEC does not declare direction=forward", why, mend)
    else:
        good = backward_error <= FOLLOWED
        yield Finding("backward", "pass" if good else "info", what)
