"""A scored run, read from record.json, summary.json and metrics.csv, its scores by clip, and names and units of metrics."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from vgmae_bench import plugins
from vgmae_bench.errors import BadDataError, UnknownNameError
from vgmae_bench.evaluation.records.results import Record, Summary
from vgmae_bench.evaluation.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd

HEADLINE = {"average_jaccard": "AJ", "average_pts_within_thresh": "δ_avg", "occlusion_accuracy": "OA"}
"""The metrics that tables show by default: their names in records, and the field's names."""
_LABELS = {
    "re_detection_jaccard": "re-detection AJ",
    "median_trajectory_error": "MTE, px",
    "pck": "PCK",
}
_PREFIXES = {"jaccard_": "Jaccard", "pts_within_": "δ"}


@dataclass(frozen=True)
class Row:
    """One scored run.

    Attributes:
        run: its folder.
        record, summary: its record.json and summary.json.
    """

    run: RunFolder
    record: Record
    summary: Summary

    @property
    def method(self) -> str:
        """The run's name in tables: a name from the user, or the method with its weights: "videogmae (tiny)"."""
        return self.record.name or self.record.method.label

    @property
    def dataset(self) -> str:
        """The dataset's name, with the settings that the user gave."""
        dataset = self.record.dataset
        text = ", ".join(f"{key}={value}" for key, value in dataset.settings.items())
        return f"{dataset.name} ({text})" if text else dataset.name

    @property
    def protocol(self) -> str:
        """The protocol's name, for instance "tapvid-first"."""
        return self.record.protocol.name

    @property
    def protocol_digest(self) -> str:
        """A digest of protocol and data. Runs with equal digests are comparable."""
        return self.record.protocol_digest

    @property
    def title(self) -> str:
        """Dataset and protocol in one line."""
        return f"{self.dataset}, {self.record.protocol_sentence}"

    @property
    def complete(self) -> bool:
        """Whether all clips with queries were scored. False for runs with --limit and for runs with failed clips."""
        clips = self.summary.clips
        return clips.scored + clips.without_queries >= clips.expected

    @property
    def clips(self) -> str:
        """ "30"; "28 of 30, 2 failed" if clips are missing; "4 of 1147 published" for a part of the published dataset."""
        clips, coverage = self.summary.clips, self.record.dataset.coverage
        part = coverage if self.partial_coverage else None
        if clips.scored == clips.expected:
            return f"{clips.scored} of {part.published} published" if part else f"{clips.scored}"
        of_published = f" ({part.here} of {part.published} published)" if part else ""
        why = f", {clips.failed} failed" if clips.failed else ""
        return f"{clips.scored} of {clips.expected}{why}{of_published}"

    @property
    def milliseconds_per_frame(self) -> float:
        """Tracking time per frame; NaN if another program did the tracking."""
        frames = self.summary.frames
        return 1000 * self.summary.seconds / frames if frames else math.nan

    @property
    def peak_memory_mb(self) -> float:
        """NaN if another program did the tracking."""
        peak = self.summary.peak_memory_mb
        return math.nan if peak is None else peak

    def values(self, metric: str) -> tuple[float, float, float]:
        """(mean, low, high) in percent, with the ends of the 95 % interval; NaN if there is none."""
        value = self.summary.metrics.get(metric)
        numbers = (value.mean, *value.ci95) if value else (None, None, None)
        mean, low, high = (math.nan if number is None else 100 * number for number in numbers)
        return mean, low, high

    @property
    def partial_coverage(self) -> bool:
        """Whether only a part of the published dataset was present."""
        coverage = self.record.dataset.coverage
        return coverage is not None and coverage.here < (coverage.published or 0)

    @cached_property
    def query_sets(self) -> pd.DataFrame:
        """metrics.csv, one row per query set.

        Returns:
            Columns `clip`, `question` (the query set's number), `frames`, `queries`, `seconds`, and metrics
                (fractions).

        Raises:
            BadDataError: the file is missing or damaged.
        """
        import pandas as pd

        path = self.run.path / "metrics.csv"
        try:
            # Clip names such as "007" and "NA" must stay text.
            table = pd.read_csv(path, dtype={"clip": str}, keep_default_na=False, na_values=[""])
        except (OSError, ValueError) as error:
            raise BadDataError(f"{path} cannot be read", str(error), try_="git checkout, or the run again") from error
        if missing := {"clip", "question"} - set(table):
            raise BadDataError(f"{path} is not a table of scores", f"it has no column {', '.join(sorted(missing))}")
        return table


def clip_values(row: Row, metric: str) -> dict[str, float]:
    """One metric by clip, as a fraction: the mean over the clip's query sets with a value; NaN if no query set has one.

    Raises:
        UnknownNameError: the run does not have the metric.
        BadDataError: metrics.csv is missing or damaged.
    """
    check_metric(row, metric)
    means = row.query_sets.groupby("clip", sort=False)[metric].mean()
    return {str(clip): float(value) for clip, value in means.items()}


def check_metric(row: Row, metric: str) -> None:
    """Raise UnknownNameError unless the run has a score for `metric`."""
    known = list(row.summary.metrics)
    if metric not in known or metric not in row.query_sets:
        why = plugins.did_you_mean(metric, known) or "it has: " + ", ".join(known)
        raise UnknownNameError(f'{row.run.path} has no metric "{metric}"', why)


def facts(record: Record, summary: Summary | None) -> dict[str, str]:
    """Where the numbers of a run come from: command, settings, weights, seed, code and device, if they are known."""
    used, session = record.method, record.sessions[-1] if record.sessions else None
    commits = [maker.commit for maker in summary.made_by] if summary else []
    commits = commits or [session.commit if session else None]
    code = [commit.id + ", with changes not committed" * commit.dirty for commit in commits if commit]
    found = {
        "command": session.command if session else None,
        "settings": ", ".join(f"{key}={value}" for key, value in _settings(record).items()) or "none",
        "weights": f"{used.weights.name}, SHA-256 {used.weights.sha256}" if used.weights else "none",
        "seed": used.seed,
        "code": "; ".join(dict.fromkeys(code)) or None,
        "device": session.device if session else None,
    }
    return {key: str(value) for key, value in found.items() if value is not None}


def names(rows: Sequence[Row]) -> list[str]:
    """Labels that are unique within a table.

    A label is the method's name. If the method appears more than once, the settings that differ follow, or else the first
    digits of the run's key.
    """
    return [_name(row, [other for other in rows if other.method == row.method]) for row in rows]


def _name(row: Row, same: Sequence[Row]) -> str:
    if len(same) == 1:
        return row.method
    differing = [_differing(other, same) for other in same]
    own = _differing(row, same)
    return f"{row.method} {own if differing.count(own) == 1 else row.record.key[:8]}".rstrip()


def _differing(row: Row, others: Sequence[Row]) -> str:
    """The settings in which the run differs from most of the others, for example "levels=2"."""
    settings = [_settings(other.record) for other in others]

    def departs(key: str, value: str) -> bool:
        counts = Counter(other.get(key) for other in settings)
        return any(count >= counts[value] for other, count in counts.items() if other != value)

    return ", ".join(f"{key}={value}" for key, value in _settings(row.record).items() if departs(key, value))


def _settings(record: Record) -> dict[str, str]:
    """The settings of a run's method, as they are typed after `--set`."""
    texts = {key: json.dumps(value) for key, value in record.method.settings.items() if not isinstance(value, str)}
    return record.method.settings | {key: "none" if text == "null" else text for key, text in texts.items()}


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
