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
) -> list[Mean]:
    """Means of the columns of `values` [rows, metrics], with 95 % percentile intervals from resampling whole clips.

    Arguments:
        values: a row a question, a column a metric; NaN where a question has no value.
        clips: the clip each row belongs to; a clip may have several rows (chunks).
        skip_nan: leave rows without a value out of the mean instead of letting them make it NaN.
        seed: of the resampling, so that the same rows always give the same intervals.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = ~np.isnan(values)
    names, member = np.unique(np.asarray(clips), return_inverse=True)
    sums, counts = np.zeros((2, len(names), values.shape[1]))
    np.add.at(sums, member, np.where(finite, values, 0.0))
    np.add.at(counts, member, finite)
    with np.errstate(invalid="ignore"):  # 0 / 0: a metric without any value
        means = sums.sum(axis=0) / counts.sum(axis=0)
    if len(names) < 2:
        low = high = np.full(values.shape[1], np.nan)
    else:
        drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
        with np.errstate(invalid="ignore"):
            resampled = (drawn @ sums) / (drawn @ counts)
        low, high = _quantiles(resampled)
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


def _quantiles(resampled: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The interval's ends by column; resamples that drew no clip with a value do not count."""
    ends = np.full((2, resampled.shape[1]), np.nan)
    for column, sample in enumerate(resampled.T):
        drawn = sample[~np.isnan(sample)]
        if drawn.size:
            ends[:, column] = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ends[0], ends[1]
