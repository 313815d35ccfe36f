"""Uncertainty over clips. The clip is the unit of resampling: tracks within a clip are correlated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
LEVEL = 0.95


class Mean(NamedTuple):
    """A mean over rows with its bootstrap interval over clips.

    Attributes:
        value: the plain mean; NaN when any row is NaN and rows are not skipped, as the reference reports it.
        low, high: percentile interval of the mean over the rows that have a value; NaN with fewer than two clips.
        nan_rows: how many rows have no value.
        of_finite: the mean over the rows that have one.
    """

    value: float
    low: float
    high: float
    nan_rows: int
    of_finite: float


def clip_bootstrap(
    values: npt.NDArray[np.float64],
    clips: Sequence[str],
    *,
    skip_nan: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Mean:
    """Mean of `values` [rows] with a 95 % percentile interval from resampling whole clips.

    Arguments:
        values: one value a row.
        clips: the clip each row belongs to; a clip may have several rows (chunks).
        skip_nan: leave rows without a value out of the mean instead of letting them make it NaN.
        seed: of the resampling, so that the same rows always give the same interval.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = ~np.isnan(values)
    nan_rows = int(np.count_nonzero(~finite))
    if not finite.any():
        return Mean(np.nan, np.nan, np.nan, nan_rows, np.nan)
    of_finite = float(values[finite].mean())
    value = of_finite if skip_nan or nan_rows == 0 else float("nan")
    names, member = np.unique(np.asarray(clips)[finite], return_inverse=True)
    if len(names) < 2:
        return Mean(value, np.nan, np.nan, nan_rows, of_finite)
    sums = np.bincount(member, weights=values[finite])
    counts = np.bincount(member)
    rng = np.random.default_rng(seed)
    times_drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    means = (times_drawn @ sums) / (times_drawn @ counts)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Mean(value, float(low), float(high), nan_rows, of_finite)
