"""Two methods on the same questions: paired differences by clip, their intervals and tests, and ranks that admit ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vgmae_bench import plugins
from vgmae_bench.compare.row import HEADLINE, Row, check_metric
from vgmae_bench.errors import UsageError
from vgmae_bench.metrics.stats import holm, interval, sign_flip_test

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANCE = 0.05
TIE = 1e-12
"""Differences up to this are no difference: rounding in the last digit."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """One metric of two runs on the questions that both have a value for, in the units of metrics.csv (fractions, or px).

    Attributes:
        metric, label: its name in the records, and in tables.
        lower_is_better: whether less is better.
        first, second: means over questions.
        difference, low, high: first - second, with its 95 % bootstrap interval over clips.
        p, p_holm: of the sign-flip test over clips; `p_holm` is corrected for the metrics that are compared together.
        clips: on how many clips.
        wins, ties, losses: clips on which the first is better than, equal to and worse than the second.
        by_clip: first - second by clip, from the first's best clip to its worst.
    """

    metric: str
    label: str
    lower_is_better: bool
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    clips: int
    wins: int
    ties: int
    losses: int
    by_clip: dict[str, float]

    @property
    def distinguishable(self) -> bool:
        """Whether the test separates the two at the 5 % level, all compared metrics considered."""
        return self.p_holm <= SIGNIFICANCE

    @property
    def scale(self) -> float:
        """What values are multiplied by for display: fractions are shown in percent, errors as they are."""
        return 1.0 if self.lower_is_better else 100.0

    def sentence(self, first: str, second: str) -> str:
        """What the numbers say, in words."""
        unit = "" if self.lower_is_better else " points"
        value, low, high = (self.scale * number for number in (self.difference, self.low, self.high))
        told = f"{value:+.2f}{unit} [{low:+.2f}, {high:+.2f}], p = {self.p_holm:.2g}"
        if not self.distinguishable:
            return f"{self.label}: {first} and {second} are not distinguishable at {_clips(self.clips)} ({told})."
        better = (self.difference > 0) != self.lower_is_better
        word = "better" if better else "worse"
        return (
            f"{self.label}: {first} is {word} than {second} at {_clips(self.clips)} ({told}); "
            f"it wins {self.wins}, ties {self.ties}, loses {self.losses}."
        )

    def as_json(self, clips: int) -> dict[str, Any]:
        """Everything, with the `clips` best and worst clips instead of all; null where there is no number."""
        best, worst = self.extremes(clips)
        told = {name: _finite(value) for name, value in asdict(self).items() if name != "by_clip"}
        listed = {
            name: [{"clip": clip, "difference": d} for clip, d in part]
            for name, part in (("best", best), ("worst", worst))
        }
        return told | {"distinguishable": self.distinguishable} | listed

    def extremes(self, clips: int) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """The first's best and worst clips with their differences, the most extreme first."""
        ordered = list(self.by_clip.items())
        return ordered[:clips], ordered[::-1][:clips]


def compare(first: Row, second: Row, metrics: Sequence[str] = tuple(HEADLINE)) -> list[Paired]:
    """Two runs by several metrics.

    Raises:
        UsageError: the runs answer different questions, or share no clip.
        UnknownNameError: a run lacks a metric.
        BadDataError: a metrics.csv is missing or damaged.
    """
    found = [_pair(first, second, metric) for metric in metrics]
    corrected = holm([pair["p"] for pair in found])
    return [Paired(**pair, p_holm=float(p)) for pair, p in zip(found, corrected, strict=True)]


def ranks(rows: Sequence[Row], metric: str = "average_jaccard") -> list[int]:
    """Ranks of runs on the same questions: 1 + how many of the others are better by the paired test.

    Runs that the test cannot separate can share a rank. All pairs are tested, with Holm's correction over them.

    Raises:
        as `compare`.
    """
    pairs = list(combinations(range(len(rows)), 2))
    ranked = [1] * len(rows)
    if not pairs:
        return ranked
    values = aligned(rows, metric)
    differences = values[[a for a, _ in pairs]].to_numpy() - values[[b for _, b in pairs]].to_numpy()
    sums, _, _ = by_clip(values, differences)
    sign = -1.0 if metric in lower_is_better() else 1.0
    for (a, b), p, total in zip(pairs, holm(sign_flip_test(sums)), sign * sums.sum(axis=0), strict=True):
        if p <= SIGNIFICANCE:
            ranked[b if total > 0 else a] += 1
    return ranked


def aligned(rows: Sequence[Row], metric: str) -> pd.DataFrame:
    """The metric by (clip, question) down and by run (0, 1, …) across; NaN where a run has no value.

    Raises:
        as `compare`.
    """
    import pandas as pd

    if len({row.protocol_digest for row in rows}) > 1:
        told = "; ".join(dict.fromkeys(row.title for row in rows))
        raise UsageError("Runs on different questions cannot be paired", told)
    for row in rows:
        check_metric(row, metric)
    columns = [row.questions.set_index(["clip", "question"])[metric] for row in rows]
    return pd.concat(columns, axis=1, keys=range(len(rows)))


def by_clip(table: pd.DataFrame, values: Array) -> tuple[Array, Array, list[str]]:
    """Sums of `values` [questions, K] over the questions of each clip, how many there are, and the clips' names.

    Questions without a value (NaN) add neither to the sums nor to the numbers, both [clips, K].
    """
    member, clips = table.index.get_level_values("clip").factorize()
    sums, counts = np.zeros((2, len(clips), values.shape[1]))
    np.add.at(sums, member, np.nan_to_num(values))
    np.add.at(counts, member, ~np.isnan(values))
    return sums, counts, [str(clip) for clip in clips]


def lower_is_better() -> set[str]:
    """Metrics of which less is better, by the families that are installed."""
    specs = [plugin.spec for plugin in plugins.installed("metrics")]
    return {name for spec in specs if isinstance(spec, plugins.MetricSpec) for name in spec.lower_is_better}


def _pair(first: Row, second: Row, metric: str) -> dict[str, Any]:
    """The fields of `Paired` but for `p_holm`."""
    table = aligned([first, second], metric).dropna()
    values = table.to_numpy(dtype=float)
    sums, counts, clips = by_clip(table, values[:, :1] - values[:, 1:])
    if not clips:
        raise UsageError(f"{first.method} and {second.method} share no clip with a value of {metric}")
    low, high = interval(sums, counts)
    means = (sums / counts)[:, 0]
    lower = metric in lower_is_better()
    gains = -means if lower else means
    order = np.argsort(-gains, kind="stable")
    return {
        "metric": metric,
        "label": HEADLINE.get(metric, metric),
        "lower_is_better": lower,
        "first": float(values[:, 0].mean()),
        "second": float(values[:, 1].mean()),
        "difference": float(sums.sum() / counts.sum()),
        "low": float(low[0]),
        "high": float(high[0]),
        "p": float(sign_flip_test(sums)[0]),
        "clips": len(clips),
        "wins": int((gains > TIE).sum()),
        "ties": int((np.abs(gains) <= TIE).sum()),
        "losses": int((gains < -TIE).sum()),
        "by_clip": {clips[k]: float(means[k]) for k in order},
    }


def _clips(number: int) -> str:
    return f"{number} clip{'' if number == 1 else 's'}"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
