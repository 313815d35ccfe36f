"""Uncertainty over clips: bootstrap intervals, paired sign-flip tests, Holm's correction.

The clip is the unit of resampling, because tracks within a clip are correlated. A clip can have several query sets (one
per chunk). Such a clip is resampled as a whole, with the sum over its query sets and their number. Every mean is thus
the mean over query sets that tables show.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
LEVEL = 0.95
KEPT_DRAWS = 2_000_000
"""Larger draws of resamples are not cached. This many numbers take 16 MB."""

Array = npt.NDArray[np.float64]


class Mean(NamedTuple):
    """A mean over rows with its bootstrap interval over clips.

    Attributes:
        value: the plain mean. If rows without a value are not skipped, one such row makes it NaN, as in the reference
            code.
        low, high: percentile interval of the mean over the rows with a value; NaN with fewer than two clips.
        nan_rows: the number of rows without a value.
        of_finite: the mean over the rows with a value.
    """

    value: float
    low: float
    high: float
    nan_rows: int
    of_finite: float


def finite(value: float) -> float | None:
    """The value for JSON, which has no NaN and no infinity: these become None."""
    return value if np.isfinite(value) else None


def clip_bootstrap(
    values: Array,
    clips: Sequence[str],
    *,
    skip_nan: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Mean]:
    """Means of the columns of `values` [rows, metrics], with 95 % percentile intervals from resampling whole clips.

    Arguments:
        values: one row per query set, one column per metric; NaN if a query set has no value.
        clips: the clip of each row; a clip can have several rows (chunks).
        skip_nan: average over the rows with a value. Otherwise one row without a value makes the mean NaN.
        seed: seed of the resampling. The same rows and seed always give the same intervals.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = ~np.isnan(values)
    names, member = np.unique(np.asarray(clips), return_inverse=True)
    sums, counts = np.zeros((2, len(names), values.shape[1]))
    np.add.at(sums, member, np.where(finite, values, 0.0))
    np.add.at(counts, member, finite)
    with np.errstate(invalid="ignore"):  # 0 / 0 if a metric has no value at all
        means = sums.sum(axis=0) / counts.sum(axis=0)
    low, high = interval(sums, counts, resamples=resamples, seed=seed)
    return [
        Mean(
            value=float(means[k]) if skip_nan or finite[:, k].all() else float("nan"),
            low=float(low[k]),
            high=float(high[k]),
            nan_rows=int(np.count_nonzero(~finite[:, k])),
            of_finite=float(means[k]),
        )
        for k in range(values.shape[1])
    ]


def interval(totals: Array, sizes: Array, *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[Array, Array]:
    """95 % percentile intervals of Σ totals / Σ sizes, by column, from resampling clips with replacement.

    For a mean, `totals` are the sums over each clip's query sets and `sizes` their numbers. For a ratio of two methods'
    means, they are the sums of the two methods.

    Arguments:
        totals, sizes: [clips, K].

    Returns:
        The lower and the upper ends [K]; NaN with fewer than two clips.
    """
    clips, columns = totals.shape
    if clips < 2:
        return np.full(columns, np.nan), np.full(columns, np.nan)
    draw = _draw if clips * resamples <= KEPT_DRAWS else _draw.__wrapped__
    resampled = draw(clips, resamples, seed) @ np.hstack([totals, sizes])
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        # A resample without a value is NaN and left out. A column without any value is NaN.
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        ratios = resampled[:, :columns] / resampled[:, columns:]
        low, high = np.nanquantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


@lru_cache(maxsize=2)
def _draw(clips: int, resamples: int, seed: int) -> Array:
    """How often each resample holds each clip, float64 [resamples, clips]. Cached, as a figure needs it for every run."""
    drawn = np.random.default_rng(seed).multinomial(clips, np.full(clips, 1 / clips), size=resamples)
    return drawn.astype(np.float64)


def sign_flip_test(differences: Array, *, resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """Two-sided p-values [K] of paired differences [clips, K]: the signs of whole clips are flipped.

    The p-value is the share of sign patterns whose sum is at least as far from zero as the observed sum. With at most
    `resamples` patterns (2^clips), all of them are tried. Otherwise `resamples` random patterns are tried, and the
    observed pattern counts as one more, so that p is never 0 (Phipson and Smyth 2010).

    The p-value is NaN if no clip has a value.
    """
    # scipy.stats.permutation_test does the same test with other random signs. Published p-values would change a little.
    clips, columns = differences.shape
    if clips == 0:
        return np.full(columns, np.nan)
    # Sums that differ by rounding alone count as equal.
    observed = np.abs(differences.sum(axis=0)) - 1e-12 * np.abs(differences).sum(axis=0)
    exact = 2**clips <= resamples
    patterns = 2**clips if exact else resamples
    rng = np.random.default_rng(seed)
    extreme = np.zeros(columns)
    for start in range(0, patterns, 1000):  # a thousand patterns at a time limit the memory
        count = min(1000, patterns - start)
        if exact:
            heads = np.arange(start, start + count)[:, None] >> np.arange(clips) & 1
        else:
            heads = rng.integers(0, 2, (count, clips))
        flipped = (2.0 * heads - 1.0) @ differences
        extreme += (np.abs(flipped) >= observed).sum(axis=0)
    return extreme / patterns if exact else (extreme + 1) / (patterns + 1)


def holm(p: Sequence[float] | Array) -> Array:
    """p-values adjusted for testing all of them at once (Holm 1979). A NaN stays NaN and does not count as a test."""
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaN sorts last
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted
