"""Names and units of metrics in tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from vgmae_bench import plugins
from vgmae_bench.compare.row import HEADLINE
from vgmae_bench.errors import UnknownNameError

_LABELS = {
    "re_detection_jaccard": "re-detection AJ",
    "median_trajectory_error": "MTE, px",
    "pck": "PCK",
}
_PREFIXES = {"jaccard_": "Jaccard", "pts_within_": "δ"}


def label(metric: str) -> str:
    """The usual name of a metric: "AJ" for "average_jaccard", "δ 4 px" for "pts_within_4"."""
    for prefix, name in _PREFIXES.items():
        if metric.startswith(prefix):
            return f"{name} {metric.removeprefix(prefix)} px"
    return HEADLINE.get(metric) or _LABELS.get(metric, metric)


@cache
def lower_is_better() -> set[str]:
    """Metrics whose lower values are better, as the installed metric plugins declare them."""
    specs = [plugin.spec for plugin in plugins.installed("metrics")]
    return {name for spec in specs if isinstance(spec, plugins.MetricSpec) for name in spec.lower_is_better}


def scale(metric: str) -> float:
    """The factor from records to tables: 100 for fractions, shown in percent; 1 for errors in their own unit."""
    return 1.0 if metric in lower_is_better() else 100.0


def find_metrics(asked: Sequence[str], known: Iterable[str]) -> list[str]:
    """Metrics by their names in records.

    Arguments:
        asked: names in records or labels ("AJ"), in any case; empty for AJ, δ_avg and OA.
        known: names of the existing metrics.

    Raises:
        UnknownNameError: a name fits no metric. The message suggests the nearest one.
    """
    known = list(dict.fromkeys(known))
    by_name = {name.lower(): metric for metric in known for name in (metric, label(metric))}
    for name in asked:
        if name.lower() not in by_name:
            why = plugins.did_you_mean(name, by_name) or "there are: " + ", ".join(known)
            raise UnknownNameError(f'No run has a metric "{name}"', why)
    return list(dict.fromkeys(by_name[name.lower()] for name in asked)) or list(HEADLINE)
