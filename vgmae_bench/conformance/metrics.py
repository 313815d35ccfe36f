"""Checks of metrics, with predictions whose quality is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from vgmae_bench.conformance.findings import Finding
from vgmae_bench.metrics.scored_tracks import QueryMode, ScoredTracks
from vgmae_bench.specs import MetricSpec

Compute = Callable[[ScoredTracks], Any]
Values = dict[str, float]

_TRACKS, _FRAMES, _SIDE = 12, 16, 256.0
_ROUNDING = 1e-9
_DEMERITS = {
    "unknown": (
        "perfect",
        "Such values cannot rank methods",
        "perfect predictions of visible points need a finite value",
    ),
    "turned": ("direction", "Tables print the worst method in bold", "name it in `lower_is_better` of the SPEC"),
    "bad": ("perfect", "Wrong predictions score better", "does it look at `evaluated` and at target_occluded?"),
    "percent": ("unit", "Tables multiply by 100", "return fractions, from 0 to 1"),
}
"""Faults of values: the check, why it matters, and how to mend it."""
_BY_QUERY = ("query_frame", "target_xy", "target_occluded", "xy", "occluded")
"""The arrays of `ScoredTracks` whose first axis is the query."""


class _UnusableError(Exception):
    """The metric raised something, or returned something other than numbers by name."""


def check_metric(compute: Compute, spec: MetricSpec) -> Iterator[Finding]:
    """Check a metric. The findings come one by one.

    Arguments:
        compute: the metric.
        spec: what it declares.
    """
    found: list[Finding] = []
    for mode in ("first", "strided"):
        try:
            found += _in_mode(compute, spec, mode)
        except _UnusableError as error:
            why = "A run that cannot be scored has no numbers at all"
            mend = "return a mapping of names to numbers; NaN where there is nothing to count"
            found.append(Finding("values", "fault", f"query {mode}: {error}", why, mend))
    unlike_others: dict[tuple[str, str], Finding] = {}
    for finding in found:  # both modes usually give the same findings
        unlike_others.setdefault((finding.check, finding.verdict), finding)
    yield from unlike_others.values()


def _in_mode(compute: Compute, spec: MetricSpec, mode: QueryMode) -> Iterator[Finding]:
    perfect = _perfect(mode)
    rng = np.random.default_rng(1)
    asked = perfect.target_xy[np.arange(_TRACKS), perfect.query_frame]
    seen = np.zeros_like(perfect.occluded)
    still = replace(perfect, xy=np.repeat(asked[:, None], _FRAMES, axis=1), occluded=seen)
    chance = replace(perfect, xy=rng.uniform(0, _SIDE, perfect.xy.shape), occluded=rng.random(seen.shape) < 0.5)
    best, floor, worst = (_values(compute, given) for given in (perfect, still, chance))
    yield from _names(best, spec)
    yield from _order_of_merit(best, floor, worst, spec)
    yield from _missing(compute, perfect, spec)
    yield from _order_of_queries(compute, chance)


def _perfect(mode: QueryMode) -> ScoredTracks:
    """Ground truth with gaps in 256 × 256 px, and predictions that equal it."""
    rng = np.random.default_rng(0)
    start, speed = rng.uniform(60, 190, (_TRACKS, 1, 2)), rng.uniform(-4, 4, (_TRACKS, 1, 2))
    xy = start + speed * np.arange(_FRAMES)[None, :, None]
    occluded = rng.random((_TRACKS, _FRAMES)) < 0.25
    query_frame = np.array([0 if mode == "first" else 5 * (n % 3) for n in range(_TRACKS)], dtype=np.int64)
    occluded[np.arange(_TRACKS), query_frame] = False
    occluded[:, 1], occluded[:, 7] = False, True  # every track has a gap, so points re-appear
    occluded[np.arange(_TRACKS), query_frame] = False
    radius = np.full((_FRAMES, 2), 10.0)
    return ScoredTracks(query_frame, xy, occluded, xy.copy(), occluded.copy(), mode, radius=radius)


def _values(compute: Compute, given: ScoredTracks) -> Values:
    kept = {name: part.copy() for name, part in _parts(given).items()}
    try:
        values: Any = compute(given)
        plain = {str(name): float(value) for name, value in values.items()}
    except Exception as error:  # a metric can raise anything
        raise _UnusableError(f"it raises {type(error).__name__}: {error}") from error
    if not all(
        np.array_equal(kept[name], part, equal_nan=part.dtype.kind == "f") for name, part in _parts(given).items()
    ):
        raise _UnusableError("it changes its input, and the next metric gets the changed input")
    return plain


def _parts(given: ScoredTracks) -> dict[str, Any]:
    return {name: getattr(given, name) for name in _BY_QUERY}


def _names(values: Values, spec: MetricSpec) -> Iterator[Finding]:
    if set(values) == set(spec.values):
        yield Finding("names", "pass", f"{len(values)} values, as declared in its SPEC")
        return
    extra, lacking = sorted(set(values) - set(spec.values)), sorted(set(spec.values) - set(values))
    what = "; ".join(
        f"{word}: {', '.join(names)}" for word, names in (("not declared", extra), ("not returned", lacking)) if names
    )
    mend = "let `values` of the SPEC name exactly what the function returns"
    yield Finding("names", "fault", what, "Tables and `--metric` find values by the names of the SPEC", mend)


def _order_of_merit(best: Values, floor: Values, worst: Values, spec: MetricSpec) -> Iterator[Finding]:
    """Perfect predictions must score best, and values must be fractions."""
    found: dict[str, list[str]] = {fault: [] for fault in _DEMERITS}
    for name, value in best.items():
        others = [each[name] for each in (floor, worst) if math.isfinite(each.get(name, math.nan))]
        lower = name in spec.lower_is_better
        what = f"{name}: perfect {value:.4g}, still {floor.get(name, math.nan):.4g}, random {worst.get(name, math.nan):.4g}"
        if not math.isfinite(value) or not others:
            found["unknown"].append(what)
        elif not lower and all(value < other for other in others):
            found["turned"].append(what)
        elif any(value > other if lower else value < other for other in others):
            found["bad"].append(what)
        elif not lower and value > 1 + _ROUNDING:
            found["percent"].append(what)
    for fault, (check, why, mend) in _DEMERITS.items():
        if found[fault]:
            yield Finding(check, "fault", "; ".join(found[fault]), why, mend)
    if not any(found.values()):
        what = ", ".join(f"{name} {best[name]:.3g} / {floor[name]:.3g} / {worst[name]:.3g}" for name in list(best)[:3])
        yield Finding("perfect", "pass", f"perfect / still / random predictions: {what}")


def _missing(compute: Compute, perfect: ScoredTracks, spec: MetricSpec) -> Iterator[Finding]:
    """A metric is NaN if there is nothing to count. Positions that are not finite count as wrong."""
    nothing = replace(
        perfect, target_occluded=np.ones_like(perfect.target_occluded), occluded=np.ones_like(perfect.occluded)
    )
    empty = perfect.only(np.arange(_FRAMES) == 0) if perfect.query_mode == "first" else None
    made_up = []
    for given, what in ((nothing, "no visible point"), (empty, "no frame to score")):
        if given is not None:
            values = _values(compute, given)
            # Occlusion accuracy has a value without visible points, too.
            counted = {
                name: value for name, value in values.items() if "occlusion" not in name and math.isfinite(value)
            }
            made_up += [f"{name} is {value:.4g} with {what}" for name, value in counted.items()]
    if made_up:
        why = "Averages over clips would include such a value as a measurement"
        yield Finding("nothing to count", "fault", "; ".join(made_up), why, "return float('nan') where nothing counts")
    wrong = perfect.xy.copy()
    wrong[::2] += 100.0
    lost = wrong.copy()
    lost[::2] = np.nan
    half, whole = _values(compute, replace(perfect, xy=lost)), _values(compute, replace(perfect, xy=wrong))
    better = [
        f"{name}: {half[name]:.4g} with NaN, {whole[name]:.4g} with positions 100 px off"
        for name in half
        if name in whole and (half[name] < whole[name] if name in spec.lower_is_better else half[name] > whole[name])
    ]
    if better:
        why = "A diverged tracker would profit from positions that are not finite"
        mend = "count positions that are not finite as wrong: ~(error <= threshold)"
        yield Finding("not finite", "fault", "; ".join(better), why, mend)
    if not made_up and not better:
        yield Finding("NaN", "pass", "nothing to count has no value; positions that are not finite do not help")


def _order_of_queries(compute: Compute, given: ScoredTracks) -> Iterator[Finding]:
    order = np.random.default_rng(2).permutation(_TRACKS)
    shuffled = replace(given, **{name: part[order] for name, part in _parts(given).items()})
    before, after = _values(compute, given), _values(compute, shuffled)
    moved = [name for name in before if abs(before[name] - after.get(name, math.nan)) > _ROUNDING]
    if moved:
        why, mend = "Scores would depend on how a file happens to be sorted", "pool over all queries"
        yield Finding("order of queries", "fault", f"changes {', '.join(moved)}", why, mend)
    else:
        yield Finding("order of queries", "pass", "does not matter")
