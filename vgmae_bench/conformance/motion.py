"""Checks of trackers: known motion has the right direction, size and start; covered points are hidden."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vgmae_bench.conformance.findings import Finding
from vgmae_bench.conformance.probe import Probe
from vgmae_bench.conformance.textures import affine, clip, covered, moved, points
from vgmae_bench.evaluation.mistakes import OF_MOTION, explain
from vgmae_bench.types import FloatArray, Queries

FOLLOWED = 0.5
"""Largest error in pixels of a track that follows the motion."""
NEAR = 3.0
"""Pixels. Positions farther from the truth count as lost. They say nothing about fractions of a pixel."""
ERRORS = 4.0
"""A deviation counts as real if it exceeds this many standard errors of its mean over textures.

A standard error above half of `SHIFT` means that the tracker is too inaccurate for a verdict. Its weights may prefer a
direction."""
SHIFT = 0.2
"""Pixels. A smaller shift is no fault, because interpolation of features can cause one."""
_FEWEST = 3
_COVER = 0.4
"""Side of the square that covers points, as a fraction of the frame's height."""


def translation(probe: Probe) -> Iterator[Finding]:
    """The tracker follows a pan to within half a pixel."""
    warps, size = probe.pan, probe.size
    found, true = [], []
    for seed in range(3):
        queries = points(20, 0, size, seed=seed)
        tracks = probe.ask(clip(warps, size, seed), queries)
        found.append((tracks.xy[:, -1] - tracks.xy[:, 0]).astype(np.float64))  # relative to its own start
        true.append(moved(queries.xy, warps)[:, -1] - queries.xy)
    displaced, expected = np.concatenate(found), np.concatenate(true)
    middle = np.median(displaced, axis=0)
    error = float(np.median(np.linalg.norm(displaced - expected, axis=-1)))
    right, down = expected[0]
    seen = f"({middle[0]:+.2f}, {middle[1]:+.2f}), median error {error:.2f} px"
    what = f"a pan by ({right:+.0f}, {down:+.0f}) px is seen as {seen}"
    still = float(np.abs(displaced).max()) < 0.25
    mistake = explain(displaced, expected, size, OF_MOTION, 1.0)
    if error <= FOLLOWED:
        yield Finding("translation", "pass", what)
    elif still and not (probe.spec.floor or probe.untrained):
        why = "It scores like zero-motion, and looks like a weak method"
        mend = "does the code write its results to the tracks? An intended floor declares floor=True in its SPEC"
        yield Finding("translation", "fault", f"{what}: nothing moves", why, mend)
    elif mistake is not None and not (still or probe.untrained):
        why = "Every score is wrong and looks like the score of a weak method"
        yield Finding("translation", "fault", f"{what}, which is {mistake.name}", why, mistake.mend)
    else:
        inaccurate = "it is not accurate on such textures"
        reason = "its weights are random" if probe.untrained else "it is a floor" if probe.spec.floor else inaccurate
        yield Finding("translation", "info", f"{what}; {reason}")


def half_pixel(probe: Probe) -> Iterator[Finding]:
    """A wrong pixel-centre convention: the tracker follows the point q + δ instead of q, or adds ε to its positions.

    Under a map with linear part A, positions are wrong by (A - 1) δ + ε. A pan has A = 1 and hides δ, so the clips have
    slow zoom and rotation. If the clip is turned by 180 degrees, δ and ε change their sign, but matching errors do not.
    Therefore half the difference of the two results is fitted, for each texture. Weights can also have learned a drift,
    which is fitted too. Clips that zoom in and clips that zoom out separate δ from it.

    A mistake of convention shifts x and y alike. The weights of an inaccurate tracker may prefer a direction, a different
    one after each training. A shift of an inaccurate tracker is thus a fault only if x and y share it.
    """
    count = max(_FEWEST, min(probe.textures, probe.affordable(4 * probe.length)))
    fits, errors = [], []
    for seed in range(count):
        parts = [_half_differences(probe, seed, direction) for direction in (1, -1)]
        followed = min(part[2] for part in parts)
        if not followed >= 0.5:
            what = f"it follows {followed:.0%} of what a slow zoom and rotation moves, to {NEAR:g} px"
            if np.isnan(followed):
                what = f"a slow zoom and rotation moves nothing by {NEAR:g} px; try more --frames or a larger --width"
            yield Finding("half a pixel", "info", f"cannot tell: {what}")
            return
        errors += [part[3] for part in parts]
        fits.append(_fit(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])))
    mean, error = np.mean(fits, axis=0), np.std(fits, axis=0, ddof=1) / np.sqrt(count)
    what = (
        f"it looks ({mean[0]:+.2f}, {mean[1]:+.2f}) ± {error[:2].max():.2f} px beside the query and adds "
        f"({mean[2]:+.2f}, {mean[3]:+.2f}) ± {error[2:4].max():.2f} px to its positions ({count} textures)"
    )
    shift, sure = mean[:4], error[:4]
    shifted = ((np.abs(shift) > SHIFT) & (np.abs(shift) > ERRORS * sure) & (sure < SHIFT / 2)).reshape(2, 2)
    alike = shifted.all(axis=1) & (shift.reshape(2, 2).prod(axis=1) > 0)
    if shifted.any() and np.median(errors) > FOLLOWED and not alike.any():
        why = "x and y are not shifted alike, as a mistake of convention would: its weights prefer a direction"
        yield Finding("half a pixel", "info", f"{what}; {why}")
    elif shifted.any() and probe.untrained:
        yield Finding("half a pixel", "info", f"{what}; its weights are random")
    elif shifted.any():
        why = "Every point is read beside its true place. On a pan the two mistakes cancel, on real motion they do not"
        mend = (
            "pixel centres are at +0.5: if your code has centres at whole numbers, subtract 0.5 first and add it last"
        )
        yield Finding("half a pixel", "fault", what, why, mend)
    elif sure.max() < SHIFT / 2:
        yield Finding("half a pixel", "pass", what)
    else:
        yield Finding("half a pixel", "info", f"cannot tell: {what}")


def _half_differences(probe: Probe, seed: int, direction: int) -> tuple[FloatArray, FloatArray, float, float]:
    """Half the difference of the tracks on a clip and on the clip turned by 180 degrees, where both are near the truth.

    Arguments:
        seed: seed of the texture and the queries.
        direction: 1 zooms in, -1 zooms out.

    Returns:
        The factors of (δ, ε, drift per frame), float [M, 2, 6]; half differences in pixels, float [M, 2]; the share of moving
        points that the tracker follows, NaN if nothing moves; and the median error of these points in pixels.
    """
    times = direction * np.arange(probe.length)
    warps = [affine(probe.size, scale=1.02**t, angle=0.04 * t) for t in times]
    frame = np.array([probe.width, probe.size[0]], dtype=np.float64)
    frames, queries = clip(warps, probe.size, seed), points(60, 0, probe.size, seed=seed)
    straight = probe.ask(frames, queries).xy.astype(np.float64)
    upside_down = np.ascontiguousarray(frames[:, ::-1, ::-1])
    turned = frame - probe.ask(upside_down, Queries(queries.frame, (frame - queries.xy).astype(np.float32))).xy
    true = moved(queries.xy, warps)
    away = np.linalg.norm(straight - true, axis=-1)
    good = (away < NEAR) & (np.linalg.norm(turned - true, axis=-1) < NEAR)
    moving = np.linalg.norm(true - queries.xy[:, None], axis=-1) > NEAR
    number = np.nonzero(good)[1]
    one = np.broadcast_to(np.eye(2), (len(number), 2, 2))
    linear = np.stack(warps)[number, :, :2] - one
    design = np.concatenate([linear, one, one * number[:, None, None]], axis=2)
    error = float(np.median(away[good & moving])) if (good & moving).any() else np.inf
    followed = float(good[moving].mean()) if moving.any() else np.nan
    return design, (straight - turned)[good] / 2, followed, error


def _fit(design: FloatArray, off: FloatArray) -> FloatArray:
    """The parameters [P] for which design [M, 2, P] gives off [M, 2], by least absolute deviations."""
    rows, values = design.reshape(-1, design.shape[2]), off.reshape(-1)
    weights: FloatArray = np.ones(off.size)
    fit: FloatArray = np.zeros(design.shape[2])
    for _ in range(10):
        root = np.sqrt(weights)
        fit = np.linalg.lstsq(rows * root[:, None], values * root, rcond=None)[0]
        weights = 1 / np.maximum(np.abs(values - rows @ fit), 0.02)
    return fit


def long_pan(probe: Probe) -> Iterator[Finding]:
    """A pan through half the frame. Its measured length shows whether positions are scaled by W - 1 instead of W."""
    length, size = 2 * probe.length, probe.size
    frame = np.array([probe.width, size[0]], dtype=np.float64)
    warps = [affine(size, move=tuple((t / (length - 1) - 0.5) * frame / 2)) for t in range(length)]
    count = max(_FEWEST, min(probe.textures, probe.affordable(length)))
    excesses = []
    for seed in range(count):
        start = np.random.default_rng(seed).uniform(0.1, 0.4, (30, 2)) * frame
        queries = Queries(np.zeros(30, dtype=np.int64), start.astype(np.float32))
        tracks = probe.ask(clip(warps, size, seed), queries)
        excess = (tracks.xy[:, -1] - tracks.xy[:, 0]).astype(np.float64) - frame / 2
        near = np.linalg.norm(excess, axis=-1) < NEAR
        if near.mean() < 0.5:
            yield Finding(
                "long pan", "info", f"cannot tell: it follows {near.mean():.0%} of the points through half the frame"
            )
            return
        excesses.append(np.median(excess[near], axis=0))
    mean, error = np.mean(excesses, axis=0), np.std(excesses, axis=0, ddof=1) / np.sqrt(count)
    what = (
        f"a pan by ({frame[0] / 2:.0f}, {frame[1] / 2:.0f}) px is seen ({mean[0]:+.2f}, {mean[1]:+.2f}) ± "
        f"{error.max():.2f} px too long ({count} textures)"
    )
    by_one = frame / 2 / (frame - 1) * np.sign(mean[0])  # about half a pixel in x and in y
    real = (np.abs(mean) > SHIFT) & (np.abs(mean) > ERRORS * error)
    if real.all() and (np.abs(mean - by_one) < SHIFT).all():
        scale = "W / (W - 1)" if mean[0] > 0 else "(W - 1) / W"
        why = "The error grows with the distance that a point has moved, by 0.4 % at 256 px"
        mend = "the frame ends at (W, H): multiply and divide by W and H, not by W - 1 and H - 1"
        yield Finding("long pan", "fault", f"{what}, as if scaled by {scale}", why, mend)
    elif error.max() < SHIFT / 2:
        yield Finding("long pan", "pass", what)
    else:
        yield Finding("long pan", "info", f"cannot tell: {what}")


def visibility(probe: Probe) -> Iterator[Finding]:
    """In a pan, points are visible in all frames. Points under a square are hidden."""
    (height, width), length = probe.size, probe.length
    # The pan takes the middle of the frame there.
    centre = (width / 2 + 2.0 * (length - 1), height / 2 - 1.0 * (length - 1))
    spread = np.random.default_rng(6).uniform(-3, 3, (20, 2))
    queries = Queries(np.zeros(20, dtype=np.int64), (spread + np.array([width, height]) / 2).astype(np.float32))
    seen, hidden = [], []
    for seed in range(3):
        frames = clip(probe.pan, probe.size, seed)
        seen.append(probe.ask(frames, queries).visible)
        under = covered(frames, centre, round(_COVER * height), length // 2, seed=90 + seed)
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
