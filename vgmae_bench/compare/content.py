"""What a table of runs says: percent, 95 % intervals, coverage, marks and notes. How it looks is in tables.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vgmae_bench.compare import published
from vgmae_bench.compare.paired import ranks
from vgmae_bench.compare.row import names
from vgmae_bench.compare.selection import HEADLINE, Row, by_protocol
from vgmae_bench.errors import UsageError

Mark = Literal["best", "second", ""]
INCOMPLETE, OTHER_PROTOCOL = "*", "†"
"""Beside the names of runs that lack clips, and of published rows by another protocol: neither is ever the best."""


@dataclass(frozen=True)
class Cell:
    """A mean in percent with the ends of its interval (NaN where there is none), and whether it stands out.

    `quoted` is a published number with the digits that its source has.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    mark: Mark = ""
    quoted: str = ""

    @property
    def value(self) -> str:
        return "–" if math.isnan(self.mean) else self.quoted or f"{self.mean:.2f}"

    @property
    def interval(self) -> str:
        return "" if math.isnan(self.mean) or math.isnan(self.low) else f"[{self.low:.1f}, {self.high:.1f}]"


@dataclass
class Line:
    """One line of a table; `details` are the columns after the metrics."""

    name: str
    cells: list[Cell]
    details: list[str]
    competes: bool


@dataclass
class Table:
    """What a table says: its title, the names of its columns, measured lines, published lines, and notes below."""

    title: str
    metrics: list[str]
    details: list[str]
    measured: list[Line]
    literature: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def build(rows: Sequence[Row], *, rank: bool = False, with_published: bool = False) -> Table:
    """One table of runs, the best AJ first.

    Arguments:
        rank: add ranks, shared where the paired test cannot separate the runs; these must answer the same questions.
        with_published: add what others have published on the dataset, see `published.beside`.
    """
    rows = sorted(rows, key=lambda row: _order(row.values("average_jaccard")[0]))
    details = ["rank"] * rank + ["clips", "ms/frame", "peak MB"] + ["source"] * with_published
    table = Table("\n".join(dict.fromkeys(row.title for row in rows)), list(HEADLINE.values()), details, [])
    placed = ranks(rows) if rank else []
    for number, (name, row) in enumerate(zip(names(rows), rows, strict=True)):
        cells = [Cell(*row.values(metric)) for metric in HEADLINE]
        cost = [_known(row.milliseconds_per_frame, 1), _known(row.peak_memory_mb, 0)]
        told = (
            [str(place) for place in placed[number : number + 1]] + [row.clips, *cost] + ["measured"] * with_published
        )
        mark = "" if row.complete else INCOMPLETE
        table.measured.append(Line(name + mark, cells, told, competes=row.complete))
        table.notes += _warnings(name, row)
    if rank:
        table.notes.append(
            "rank: 1 + the number of runs with a better AJ by a paired sign-flip test over clips "
            "(5 % level, Holm over all pairs); runs that it cannot separate share a rank."
        )
    if with_published:
        _add_published(table, rows)
    _stand_out([line for line in (*table.measured, *table.literature) if line.competes])
    return table


def check_comparable(rows: Sequence[Row]) -> None:
    """Refuse to mix protocols or datasets in one table.

    Raises:
        UsageError: naming what there is, and how to choose.
    """
    kinds = by_protocol(rows)
    if len(kinds) > 1:
        listed = sorted(f"{row.dataset} with {row.protocol}" for row, *_ in kinds)
        raise UsageError(
            "These runs follow different protocols or datasets",
            "their numbers do not compare: " + "; ".join(listed),
            try_="vgmae-bench table --dataset D --protocol P, or --allow-mixed",
        )


def flat(rows: Sequence[Row], *, rank: bool = False, with_published: bool = False) -> list[dict[str, Any]]:
    """One flat record a run: all metrics as fractions with their intervals, coverage and cost.

    Published numbers follow, by dataset and protocol of the runs, under the same names of metrics, likewise as fractions.
    """
    records = []
    for group in by_protocol(rows):
        placed = ranks(group) if rank else []
        for number, row in enumerate(group):
            record = _record(row)
            records.append(record | ({"rank": placed[number]} if rank else {}))
    if with_published:
        kinds = dict.fromkeys((str(row.record["identity"]["dataset"]), row.protocol) for row in rows)
        records += [_published_record(one, *kind) for kind in kinds for one in published.beside(*kind)]
    return records


def _record(row: Row) -> dict[str, Any]:
    identity = row.record["identity"]
    record: dict[str, Any] = {
        "method": identity["method"],
        "weights": row.record.get("weights_name"),
        "note": row.record.get("note") or None,
        "dataset": identity["dataset"],
        "protocol": row.protocol,
        "protocol_digest": row.protocol_digest,
        "complete": row.complete,
        "clips_scored": row.summary["clips"]["scored"],
        "clips_expected": row.summary["clips"]["expected"],
        "clips_failed": row.summary["clips"]["failed"],
        "seconds": row.summary["seconds"] if row.summary["frames"] else None,
        "peak_memory_mb": row.summary["peak_memory_mb"],
        "run": str(row.run.path),
    }
    for name, value in row.summary["metrics"].items():
        record |= {name: value["mean"], f"{name}_low": value["ci95"][0], f"{name}_high": value["ci95"][1]}
    return record


def _published_record(one: published.Published, dataset: str, protocol: str) -> dict[str, Any]:
    values = {name: one.value(name) / 100 for name in HEADLINE}
    return {
        "method": one.method,
        "dataset": dataset,
        "protocol": one.protocol or None,
        "source": one.source,
        "evidence": one.evidence,
        "differs": one.differs or None,
        "comparable": one.comparable(protocol),
        **{name: None if math.isnan(value) else value for name, value in values.items()},
    }


def _add_published(table: Table, rows: Sequence[Row]) -> None:
    """Published lines, and what their marks mean: departures from the protocol are numbered."""
    kinds = {(str(row.record["identity"]["dataset"]), row.protocol) for row in rows}
    departures: dict[str, int] = {}
    for dataset, protocol in sorted(kinds):
        found = published.beside(dataset, protocol)
        if not found:
            table.notes.append(f"No published numbers are known for {dataset}.")
        for one in found:
            comparable = one.comparable(protocol)
            mark = ""
            if not comparable:
                told = one.differs or f"under {one.protocol}"
                mark = f" {OTHER_PROTOCOL}{departures.setdefault(told, len(departures) + 1)}"
            cells = [Cell(one.value(metric), quoted=one.quoted(metric)) for metric in HEADLINE]
            blank = [""] * (len(table.details) - 1)
            source = f"{one.source}, {one.evidence}"
            table.literature.append(Line(one.method + mark, cells, [*blank, source], competes=comparable))
    table.notes += [
        f"{OTHER_PROTOCOL}{number} not this protocol, or not surely: {told}." for told, number in departures.items()
    ]
    if table.literature:
        table.notes.append(
            'Published numbers are quoted; "secondary" ones were not read in their own paper: verify them.'
        )


def _stand_out(lines: Sequence[Line]) -> None:
    """Mark the best and the second best of every column; values that print alike are equal. One line alone stays plain."""
    if len(lines) < 2:
        return
    for column in range(len(HEADLINE)):
        printed = sorted({float(line.cells[column].value) for line in lines if not math.isnan(line.cells[column].mean)})
        marks: dict[float, Mark] = dict(zip(printed[::-1], ("best", "second"), strict=False))
        for line in lines:
            cell = line.cells[column]
            if not math.isnan(cell.mean):
                line.cells[column] = replace(cell, mark=marks.get(float(cell.value), ""))


def _order(mean: float) -> tuple[bool, float]:
    return math.isnan(mean), -mean


def _known(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _warnings(run: str, row: Row) -> list[str]:
    """What a reader must know before quoting a number."""
    warnings = []
    clips = row.summary["clips"]
    if not row.complete:
        warnings.append(
            f"{INCOMPLETE} {run}: incomplete, {clips['scored']} of {clips['expected']} clips; not for comparison."
        )
    if clips["without_queries"]:
        warnings.append(f"{run}: {clips['without_queries']} clips have no visible track and ask nothing.")
    for metric, name in HEADLINE.items():
        value = row.summary["metrics"].get(metric, {})
        if value.get("nan"):
            rest = "–" if value["mean_without_nan"] is None else f"{100 * value['mean_without_nan']:.2f}"
            warnings.append(f"{run}: {name} has no value on {value['nan']} questions; {rest} without them.")
    return warnings
