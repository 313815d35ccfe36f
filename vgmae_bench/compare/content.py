"""The content of a table of runs (values, intervals, ranks, notes), and runs as flat records. tables.py formats both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vgmae_bench.compare import published
from vgmae_bench.compare.cells import INCOMPLETE, JOINT, Cell, Line, Table, add_published, mark_best
from vgmae_bench.compare.paired import fewest_clips, ranks
from vgmae_bench.compare.row import HEADLINE, Row, find_metrics, label, lower_is_better, names, scale
from vgmae_bench.compare.selection import by_protocol
from vgmae_bench.errors import UnknownNameError, UsageError
from vgmae_bench.plugins import suggestion

DETAILS: dict[str, Callable[[Row], str]] = {
    "clips": lambda row: row.clips,
    "ms/frame": lambda row: _known(row.milliseconds_per_frame, 1),
    "peak MB": lambda row: _known(row.peak_memory_mb, 0),
    "run": lambda row: row.run.path.name[:8],
    "dataset": lambda row: row.dataset,
    "protocol": lambda row: row.protocol,
}
"""The columns after the metrics. Tables show the first three by default. "run": the first eight digits of the run's key."""


def build(
    rows: Sequence[Row],
    *,
    metrics: Sequence[str] = tuple(HEADLINE),
    sort: str = "",
    columns: Sequence[str] | None = None,
    rank: bool = False,
    with_published: str = "",
) -> Table:
    """Make one table of runs.

    Arguments:
        metrics: names in records.
        sort: a metric, "clips", a cost, or "method"; by default the first metric. The best comes first.
        columns: some of `DETAILS`. Tables of several protocols or datasets also name these.
        rank: add ranks in the first metric, see `paired.ranks`. The runs must have the same query sets. If there are
            too few clips for ranks, a note says so instead.
        with_published: add published numbers on the datasets; see `published.select` for the values.

    Raises:
        UnknownNameError: no published method has a name in `with_published`.
    """
    rows = in_order(rows, sort or metrics[0])
    kinds = by_protocol(rows)
    called = {row.run.path: name for kind in kinds for name, row in zip(names(kind), kind, strict=True)}
    kept = list(DETAILS)[:3] if columns is None else columns
    if len(kinds) > 1:
        kept = list(dict.fromkeys(["dataset", "protocol", *kept]))
    placed = ranks(rows, metrics[0]) if rank else None
    title = "\n".join(dict.fromkeys(row.title for row in rows))
    details = ["rank"] * bool(placed) + list(kept)
    table = Table(title, [label(metric) for metric in metrics], details, [], chosen=columns is not None)
    for number, row in enumerate(rows):
        name = called[row.run.path]
        shown = [str(placed[number])] if placed else []
        shown += [DETAILS[column](row) for column in kept]
        mark = ("" if row.complete else INCOMPLETE) + JOINT * row.record.method.joint
        cells = [_cell(row, metric) for metric in metrics]
        table.measured.append(Line(name + mark, cells, shown, row.complete))
        table.notes += _warnings(name, row)
    if any(cell.query_sets for line in table.measured for cell in line.cells):
        table.notes.append("n: the mean covers n query sets. The metric has no value on the others.")
    if rank:
        table.notes.append(_rank_note(rows, placed, label(metrics[0])))
    whole = not any(row.partial_coverage for row in rows)
    if with_published:
        table.notes += filter(None, (published.difference_note(called[row.run.path], row, metrics) for row in rows))
        for dataset, protocol in sorted({(row.record.dataset.name, row.protocol) for row in rows}):
            add_published(table, dataset, protocol, metrics, with_published)
    if table.literature:
        table.details.append("source")
        for line in table.measured:
            line.details.append("measured")
        if not whole:
            table.notes.append(
                "Published numbers cover the whole dataset. They do not compare with runs on a part of it."
            )
    if len(kinds) == 1:
        mark_best(table, metrics, literature=whole)
    return table


def flat_records(
    rows: Sequence[Row],
    *,
    metrics: Sequence[str] = (),
    sort: str = "",
    rank: bool = False,
    with_published: str = "",
    published_kinds: Iterable[tuple[str, str]] | None = None,
) -> list[dict[str, Any]]:
    """One flat record per run: settings, metrics with their intervals, coverage and cost.

    Metrics are fractions (or px), as in summary.json. Published numbers follow under the same names, as fractions.
    The record of a run gets `…_published` and `…_difference` for numbers of the same method and weights; see
    `published.differences`.

    Arguments:
        metrics: names in records; by default all.
        sort: as for `content.build`; by default the order of `rows`.
        rank: add ranks in AJ among runs of one protocol; None if there are too few clips for ranks.
        with_published: see `published.select`; empty for none.
        published_kinds: datasets and protocols of published numbers; by default those of the runs.

    Raises:
        UnknownNameError: no published method has a name in `with_published`.
    """
    records = []
    rows = in_order(rows, sort) if sort else rows
    for group in by_protocol(rows):
        placed = ranks(group) if rank else None
        for number, row in enumerate(group):
            record = _run_record(row, metrics)
            if rank:
                record["rank"] = placed[number] if placed else None
            for one in published.differences(row, metrics or list(row.summary.metrics)) if with_published else []:
                record[f"{one.metric}_published"] = float(one.quoted) / 100
                record[f"{one.metric}_difference"] = one.value / 100
            records.append(record)
    if with_published:
        kinds = dict.fromkeys((row.record.dataset.name, row.protocol) for row in rows)
        for dataset, protocol in published_kinds or kinds:
            found = published.select(published.beside(dataset, protocol), with_published)
            records += [_published_record(row, dataset, protocol) for row in found]
    return records


def in_order(rows: Sequence[Row], by: str) -> list[Row]:
    """The runs sorted by a metric, a column or "method", the best first. See `find_sort` for the names."""
    return sorted(rows, key=lambda row: _order(row, by))


def find_columns(asked: str | None) -> list[str] | None:
    """Column names from a comma-separated list; None for the usual columns.

    Raises:
        UnknownNameError: there is no such column.
    """
    if asked is None:
        return None
    found = [name.strip() for name in asked.split(",") if name.strip()]
    for name in found:
        if name not in DETAILS:
            raise UnknownNameError(f'There is no column "{name}"', suggestion(name, DETAILS))
    return found


def find_sort(asked: str, metrics: Iterable[str]) -> str:
    """The sort key: a metric by its name in records, a column, "method", or "" for the first metric.

    Raises:
        UnknownNameError: there is no such metric or column.
    """
    columns = ("method", *list(DETAILS)[:3])
    if not asked or asked in columns:
        return asked
    try:
        return find_metrics([asked], metrics)[0]
    except UnknownNameError as error:
        why = f"there are {', '.join(columns)} and the metrics, for instance AJ"
        raise UnknownNameError(f'There is no column or metric "{asked}" to sort by', why) from error


def check_comparable(rows: Sequence[Row]) -> None:
    """Refuse to mix protocols or datasets in one table.

    Raises:
        UsageError: the runs follow several; the message names them and how to choose.
    """
    kinds = by_protocol(rows)
    if len(kinds) > 1:
        listed = sorted(f"{row.dataset} with {row.protocol}" for row, *_ in kinds)
        raise UsageError(
            "These runs follow different protocols or datasets",
            "their numbers are not comparable: " + "; ".join(listed),
            try_="vgmae-bench table --dataset D --protocol P, or --allow-mixed",
        )


def _cell(row: Row, metric: str) -> Cell:
    """The mean over all query sets, or over those with a value, with their number."""
    found, factor = row.summary.metrics.get(metric), scale(metric)
    if found is None:
        return Cell(math.nan)
    mean, low, high = (math.nan if value is None else factor * value for value in (found.mean_without_nan, *found.ci95))
    with_value = len(row.query_sets) - found.nan if found.nan and not math.isnan(mean) else 0
    return Cell(mean, low, high, query_sets=with_value)


def _order(row: Row, by: str) -> tuple[bool, float | str]:
    if by == "method":
        return False, row.method
    number = {
        "clips": -row.summary.clips.scored,
        "ms/frame": row.milliseconds_per_frame,
        "peak MB": row.peak_memory_mb,
    }.get(by)
    if number is None:
        number = _cell(row, by).mean * (1 if by in lower_is_better() else -1)
    return math.isnan(number), number


def _known(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _rank_note(rows: Sequence[Row], placed: Sequence[int] | None, metric: str) -> str:
    if placed is None:
        clips = min(row.summary.clips.scored for row in rows)
        return (
            f"rank: too few clips to rank. On {clips} clips no paired test over {len(rows)} runs can reach the 5 % level; "
            f"{fewest_clips(len(rows))} clips could."
        )
    return (
        f"rank: 1 + the number of runs with a better {metric} by a paired sign-flip test over clips (5 % level, Holm's "
        "correction over all pairs). Runs that the test cannot separate share a rank."
    )


def _warnings(run: str, row: Row) -> list[str]:
    """Warnings that a reader must know before quoting a number."""
    warnings = []
    if not row.complete:
        warnings.append(f"{INCOMPLETE} {run}: incomplete, {row.clips} clips. Do not compare it.")
    if row.record.method.joint:
        asked = row.record.method.ask
        warnings.append(
            f"{JOINT} {run}: queries see each other (--ask {asked}). TAP-Vid asks each query on its own (--ask single)."
        )
    if row.record.method.notice:
        warnings.append(f"{run}: {row.record.method.notice}.")
    if without := row.summary.clips.without_queries:
        warnings.append(f"{run}: {without} clips have no visible track, so no query.")
    warnings += [f"{run}: {notice}." for notice in row.summary.notices]
    return warnings


def _run_record(row: Row, metrics: Sequence[str]) -> dict[str, Any]:
    method, dataset, clips, summary = row.record.method, row.record.dataset, row.summary.clips, row.summary
    record: dict[str, Any] = {
        "method": method.name,
        "weights": method.weights.name if method.weights else None,
        "settings": method.settings,
        "note": method.note or None,
        "dataset": dataset.name,
        "protocol": row.protocol,
        "protocol_digest": row.protocol_digest,
        "complete": row.complete,
        "clips": row.clips,
        **{f"clips_{kind}": getattr(clips, kind) for kind in ("scored", "expected", "failed")},
        "clips_published": dataset.coverage.published if dataset.coverage else None,
        "seconds": summary.seconds if summary.frames else None,
        "peak_memory_mb": summary.peak_memory_mb,
        "run": str(row.run.path),
    }
    for name in metrics or summary.metrics:
        if value := summary.metrics.get(name):
            record |= {name: value.mean, f"{name}_low": value.ci95[0], f"{name}_high": value.ci95[1]}
    return record


def _published_record(row: published.Published, dataset: str, protocol: str) -> dict[str, Any]:
    kept = ("protocol", "source", "evidence", "bibtex_key", "differs")
    record = {"method": row.method, "dataset": dataset} | {name: getattr(row, name) or None for name in kept}
    values = {name: row.value(name) / 100 if row.quoted(name) else None for name in HEADLINE}
    return record | {"comparable": row.comparable(protocol)} | values
