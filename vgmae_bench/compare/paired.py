"""Paired comparison of runs on the same queries: differences by clip, their intervals and tests, and ranks with ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vgmae_bench.compare.row import HEADLINE, Row, check_metric, label, lower_is_better
from vgmae_bench.errors import UsageError
from vgmae_bench.metrics.stats import finite, holm, interval, sign_flip_test

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANCE = 0.05
TIE = 1e-12
"""Differences up to this count as zero: they come from rounding."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """One metric of two runs, on the query sets for which both have a value. Units as in metrics.csv: fractions, or px.

    Attributes:
        metric, label: the metric's name in records, and in tables.
        lower_is_better: whether lower values are better.
        by_clip: first - second by clip (means over its query sets), from the first run's best clip to its worst.
        first, second: means over query sets.
        difference, low, high: first - second, with its 95 % bootstrap interval over clips.
        p, p_holm: p-values of the sign-flip test over clips. `p_holm` is corrected for the metrics compared together.
    """

    metric: str
    label: str
    lower_is_better: bool
    by_clip: dict[str, float]
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def clips(self) -> int:
        """The number of clips that the two runs share."""
        return len(self.by_clip)

    @property
    def wins(self) -> int:
        """The number of clips on which the first run is better."""
        return sum(self._sign * difference > TIE for difference in self.by_clip.values())

    @property
    def losses(self) -> int:
        """The number of clips on which the first run is worse."""
        return sum(self._sign * difference < -TIE for difference in self.by_clip.values())

    @property
    def ties(self) -> int:
        """The number of clips on which both are equal."""
        return self.clips - self.wins - self.losses

    @property
    def distinguishable(self) -> bool:
        """Whether the test separates the two runs at the 5 % level, corrected for all compared metrics."""
        return self.p_holm <= SIGNIFICANCE

    @property
    def _sign(self) -> int:
        return -1 if self.lower_is_better else 1

    @property
    def scale(self) -> float:
        """The factor for display: 100 for fractions, shown in percent; 1 for errors."""
        return 1.0 if self.lower_is_better else 100.0

    def sentence(self, first: str, second: str) -> str:
        """The result in words."""
        unit = "" if self.lower_is_better else " points"
        value, low, high = (self.scale * number for number in (self.difference, self.low, self.high))
        clips = f"{self.clips} clip{'s' * (self.clips != 1)}"
        text = f"{value:+.2f}{unit} [{low:+.2f}, {high:+.2f}], p = {self.p_holm:.2g}"
        if not self.distinguishable:
            return f"{self.label}: {first} and {second} are not distinguishable at {clips} ({text})."
        word = "better" if self._sign * self.difference > 0 else "worse"
        return (
            f"{self.label}: {first} is {word} than {second} at {clips} ({text}); "
            f"it wins {self.wins}, ties {self.ties}, loses {self.losses}."
        )

    def as_json(self, clips: int) -> dict[str, Any]:
        """All values, with only the `clips` best and worst clips. NaN becomes null."""
        best, worst = self.extremes(clips)
        values = {name: finite(value) if isinstance(value, float) else value for name, value in asdict(self).items()}
        del values["by_clip"]
        values |= {name: getattr(self, name) for name in ("clips", "wins", "ties", "losses", "distinguishable")}
        for name, part in (("best", best), ("worst", worst)):
            values[name] = [{"clip": clip, "difference": difference} for clip, difference in part]
        return values

    def extremes(self, clips: int) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """The first run's `clips` best and worst clips with their differences, the most extreme first."""
        ordered = list(self.by_clip.items())
        return ordered[:clips], ordered[::-1][:clips]


def compare(first: Row, second: Row, metrics: Sequence[str] = tuple(HEADLINE)) -> list[Paired]:
    """Compare two runs by several metrics.

    Raises:
        UsageError: the runs have different queries, or share no clip.
        UnknownNameError: a run lacks a metric.
        BadDataError: a metrics.csv is missing or damaged.
    """
    tables = [aligned([first, second], metric) for metric in metrics]
    values = np.stack([table.to_numpy(dtype=float) for table in tables])  # [metrics, query sets, 2]
    values[np.isnan(values).any(axis=2)] = np.nan  # only query sets with two values count
    sums, counts, clips = by_clip(tables[0], (values[..., 0] - values[..., 1]).T)
    if not counts.any(axis=0).all():
        raise UsageError(f"{first.method} and {second.method} share no clip", f"by {', '.join(metrics)}")
    first_means, second_means = ([np.nanmean(table[:, run]) for table in values] for run in (0, 1))
    p = sign_flip_test(sums)
    differences = sums.sum(axis=0) / counts.sum(axis=0)
    columns = (first_means, second_means, differences, *interval(sums, counts), p, holm(p))
    lower = lower_is_better()
    return [
        Paired(
            metric,
            label(metric),
            metric in lower,
            _best_first(clips, sums[:, k], counts[:, k], lower=metric in lower),
            *map(float, numbers),
        )
        for k, (metric, *numbers) in enumerate(zip(metrics, *columns, strict=True))
    ]


def fewest_clips(runs: int) -> int:
    """The smallest number of clips on which the test can separate two of `runs` runs, with Holm's correction over all pairs.

    The smallest p-value of a sign-flip test on n clips is 2 / 2^n.
    """
    pairs = max(1, runs * (runs - 1) // 2)
    return 1 + math.ceil(math.log2(pairs / SIGNIFICANCE))


def ranks(rows: Sequence[Row], metric: str = "average_jaccard") -> list[int] | None:
    """Ranks of runs on the same query sets: 1 + the number of other runs that are better by the paired test.

    Runs that the test cannot separate can share a rank. All pairs are tested, with Holm's correction over them.

    Returns:
        None if the clips are so few that the test cannot separate any two runs.

    Raises:
        as `compare`.
    """
    pairs = list(combinations(range(len(rows)), 2))
    ranked = [1] * len(rows)
    if not pairs:
        return ranked
    values = aligned(rows, metric)
    if len(values.index.unique("clip")) < fewest_clips(len(rows)):
        return None
    differences = values[[a for a, _ in pairs]].to_numpy() - values[[b for _, b in pairs]].to_numpy()
    sums, _, _ = by_clip(values, differences)
    sign = -1.0 if metric in lower_is_better() else 1.0
    for (a, b), p, total in zip(pairs, holm(sign_flip_test(sums)), sign * sums.sum(axis=0), strict=True):
        if p <= SIGNIFICANCE:
            ranked[b if total > 0 else a] += 1
    return ranked


def aligned(rows: Sequence[Row], metric: str) -> pd.DataFrame:
    """One metric of several runs: one row per (clip, query set), one column per run (0, 1, …), NaN for missing values.

    Raises:
        as `compare`.
    """
    import pandas as pd

    if len({row.protocol_digest for row in rows}) > 1:
        text = "; ".join(dict.fromkeys(row.title for row in rows))
        raise UsageError("Runs with different queries cannot be paired", text)
    for row in rows:
        check_metric(row, metric)
    columns = [row.query_sets.set_index(["clip", "question"])[metric] for row in rows]
    return pd.concat(columns, axis=1, keys=range(len(rows)))


def by_clip(table: pd.DataFrame, values: Array) -> tuple[Array, Array, list[str]]:
    """Sum `values` [query sets, K] over the query sets of each clip.

    Returns:
        Sums [clips, K], numbers of values [clips, K] and the clips' names. NaN adds to neither.
    """
    member, clips = table.index.get_level_values("clip").factorize()
    sums, counts = np.zeros((2, len(clips), values.shape[1]))
    np.add.at(sums, member, np.nan_to_num(values))
    np.add.at(counts, member, ~np.isnan(values))
    return sums, counts, [str(clip) for clip in clips]


def _best_first(clips: Sequence[str], sums: Array, counts: Array, *, lower: bool) -> dict[str, float]:
    """Means by clip, for clips with a value, the first run's best clip first."""
    means = {clip: float(total / count) for clip, total, count in zip(clips, sums, counts, strict=True) if count}
    return dict(sorted(means.items(), key=lambda item: item[1], reverse=not lower))
