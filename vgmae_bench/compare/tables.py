"""Runs side by side in one table: percent, 95 % intervals, coverage, and the protocol above."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from vgmae_bench.compare.selection import HEADLINE, Row
from vgmae_bench.errors import UsageError


def check_comparable(rows: Sequence[Row]) -> None:
    """Refuse to mix protocols or datasets in one table.

    Raises:
        UsageError: naming what there is, and how to choose.
    """
    kinds = {row.record["protocol_digest"]: row for row in rows}
    if len(kinds) > 1:
        listed = sorted(f"{row.dataset} with {row.record['identity']['protocol']['name']}" for row in kinds.values())
        raise UsageError(
            "These runs follow different protocols or datasets",
            "their numbers do not compare: " + "; ".join(listed),
            try_="vgmae-bench table --dataset D --protocol P, or --allow-mixed",
        )


def print_table(rows: Sequence[Row]) -> None:
    """The table for people, on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold")
    table.add_column("method", no_wrap=True)
    for name in HEADLINE.values():
        table.add_column(f"{name} [95 %]", justify="right")
    table.add_column("clips", justify="right")
    table.add_column("ms/frame", justify="right")
    table.add_column("peak MB", justify="right")
    for row in rows:
        cells = [_interval(*row.values(metric)) for metric in HEADLINE]
        table.add_row(row.method, *cells, row.clips, f"{row.milliseconds_per_frame:.1f}", _memory(row))
    width = None if Console().is_terminal else 140
    console = Console(width=width, highlight=False)
    console.print(_title(rows), soft_wrap=True)
    console.print(table)
    for warning in _warnings(rows):
        console.print(warning, soft_wrap=True)


def markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown."""
    header = ["method", *(f"{name} [95 %]" for name in HEADLINE.values()), "clips", "ms/frame", "peak MB"]
    lines = [f"{_title(rows)}", "", _line(header), _line(["---", *["---:"] * (len(header) - 1)])]
    for row in rows:
        cells = [_interval(*row.values(metric)) for metric in HEADLINE]
        lines.append(_line([row.method, *cells, row.clips, f"{row.milliseconds_per_frame:.1f}", _memory(row)]))
    return "\n".join([*lines, *("\n" + warning for warning in _warnings(rows))])


def flat(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One flat record a run: all metrics as fractions with their intervals, coverage and cost."""
    records = []
    for row in rows:
        identity = row.record["identity"]
        record: dict[str, Any] = {
            "method": identity["method"],
            "weights": row.record.get("weights_name"),
            "note": row.record.get("note") or None,
            "dataset": identity["dataset"],
            "protocol": identity["protocol"]["name"],
            "clips_scored": row.summary["clips"]["scored"],
            "clips_expected": row.summary["clips"]["expected"],
            "clips_failed": row.summary["clips"]["failed"],
            "seconds": row.summary["seconds"],
            "peak_memory_mb": row.summary["peak_memory_mb"],
            "run": str(row.run.path),
        }
        for name, value in row.summary["metrics"].items():
            record |= {name: value["mean"], f"{name}_low": value["ci95"][0], f"{name}_high": value["ci95"][1]}
        records.append(record)
    return records


def as_csv(rows: Sequence[Row]) -> str:
    """`flat` as CSV with a header."""
    records = flat(rows)
    columns = list(dict.fromkeys(key for record in records for key in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def as_json(rows: Sequence[Row]) -> str:
    """`flat` as a JSON list."""
    return json.dumps(flat(rows), ensure_ascii=False, indent=2)


def _title(rows: Sequence[Row]) -> str:
    titles = dict.fromkeys(f"{row.dataset}, {row.record['protocol_sentence']}" for row in rows)
    return "\n".join(titles)


def _warnings(rows: Sequence[Row]) -> list[str]:
    """What a reader must know before quoting a number."""
    warnings = []
    for row in rows:
        clips = row.summary["clips"]
        if clips["scored"] < clips["expected"]:
            warnings.append(f"{row.method}: incomplete, {row.clips} clips; not for comparison.")
        if clips["without_queries"]:
            warnings.append(f"{row.method}: {clips['without_queries']} clips have no visible track and ask nothing.")
        for metric, name in HEADLINE.items():
            value = row.summary["metrics"].get(metric, {})
            if value.get("nan"):
                rest = "–" if value["mean_without_nan"] is None else f"{100 * value['mean_without_nan']:.2f}"
                warnings.append(f"{row.method}: {name} has no value on {value['nan']} questions; {rest} without them.")
    return warnings


def _interval(mean: float, low: float, high: float) -> str:
    if math.isnan(mean):
        return "–"
    return f"{mean:.2f}" if math.isnan(low) else f"{mean:.2f} [{low:.1f}, {high:.1f}]"


def _memory(row: Row) -> str:
    peak = row.summary["peak_memory_mb"]
    return "–" if peak is None else f"{peak:.0f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
