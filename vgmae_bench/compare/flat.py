"""Runs and published numbers as flat records, for CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from vgmae_bench.compare import published
from vgmae_bench.compare.content import in_order
from vgmae_bench.compare.paired import ranks
from vgmae_bench.compare.row import HEADLINE, Row
from vgmae_bench.compare.selection import by_protocol


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
        kinds = dict.fromkeys((row.dataset_name, row.protocol) for row in rows)
        for dataset, protocol in published_kinds or kinds:
            found = published.select(published.beside(dataset, protocol), with_published)
            records += [_published_record(row, dataset, protocol) for row in found]
    return records


def as_csv(records: Sequence[dict[str, Any]]) -> str:
    """Records as CSV with a header. Settings are JSON in one column."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({key: json.dumps(value) if isinstance(value, dict) else value for key, value in record.items()})
    return text.getvalue()


def as_json(records: Sequence[dict[str, Any]]) -> str:
    """Records as a JSON list."""
    return json.dumps(records, ensure_ascii=False, indent=2)


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
