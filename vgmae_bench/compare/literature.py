"""Published numbers in a table: as lines below runs or alone, and their differences from measured numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vgmae_bench import plugins
from vgmae_bench.compare import published
from vgmae_bench.compare.cells import OTHER_PROTOCOL, SECONDARY, Cell, Line, Table, mark_best
from vgmae_bench.compare.row import Row, label
from vgmae_bench.errors import UnknownNameError


def add_published(table: Table, dataset: str, protocol: str, metrics: Sequence[str], which: str) -> None:
    """Add published lines, and notes that explain their marks. Differences from the protocol are numbered.

    The lines have one detail more than the table: the source. The caller adds this column to the table.
    """
    found = published.select(published.beside(dataset, protocol), which)
    found = [row for row in found if any(row.quoted(metric) for metric in metrics)]
    if not found:
        table.notes.append(f"There are no published numbers for {dataset}.")
    differences: dict[str, int] = {}
    lines = published.fold_duplicates(found, protocol)
    for row, repeats in lines:
        comparable = row.comparable(protocol)
        mark = SECONDARY if row.secondary else ""
        if not comparable:
            difference = row.differs or f"under {row.protocol}"
            mark += f"{OTHER_PROTOCOL}{differences.setdefault(difference, len(differences) + 1)}"
        cells = [Cell(row.value(metric), quoted=row.quoted(metric)) for metric in metrics]
        source = row.source.removeprefix("https://") + (f" and {repeats} more" if repeats else "")
        details = [""] * len(table.details) + [source]
        table.literature.append(Line(f"{row.method} {mark}".rstrip(), cells, details, comparable, row.bibtex_key))
    table.notes += [
        f"{OTHER_PROTOCOL}{number} Another protocol, or possibly another one: {difference}."
        for difference, number in differences.items()
    ]
    if any(row.secondary for row, _ in lines):
        table.notes.append(
            f"{SECONDARY} Secondary: taken from another document than the source. Check it before you quote it."
        )


def published_tables(
    dataset: Sequence[str], protocol: Sequence[str], metrics: Sequence[str], which: str
) -> list[Table]:
    """Tables of published numbers alone, for these datasets and query modes of TAP-Vid; without names, for all.

    Raises:
        UnknownNameError: there are no such numbers.
    """
    found = []
    for name, one in published.kinds_alone(dataset, protocol):
        table = Table(f"{name}, {one}: published numbers", [label(metric) for metric in metrics], [], [])
        add_published(table, name, one, metrics, which)
        mark_best(table, metrics, literature=True)
        if table.literature:
            table.details.append("source")
            found.append(table)
    if not found:
        raise UnknownNameError(
            "There are no published numbers" + (" for " + ", ".join(dataset) if dataset else ""),
            "published.csv has " + ", ".join(published.BENCHMARKS),
            try_="vgmae-bench table --published --dataset davis",
        )
    return found


@dataclass(frozen=True)
class Difference:
    """A metric of a run and its published value, in percent.

    Attributes:
        metric: its name in records.
        quoted: the published number with the digits that its source prints.
        row: where it was published.
    """

    metric: str
    measured: float
    quoted: str
    row: published.Published

    @property
    def value(self) -> float:
        """Measured less published."""
        return self.measured - float(self.quoted)

    def __str__(self) -> str:
        return f"{label(self.metric)} {self.measured:.2f}, published {self.quoted} ({self.value:+.2f})"


def differences(row: Row, metrics: Sequence[str]) -> list[Difference]:
    """Compare a run with published numbers of the same method, weights, dataset and protocol.

    Published numbers that deviate from the protocol are left out. A run on a part of the dataset has no differences. If
    several sources print a number, sources by the authors of the table come first.
    """
    weights = row.record.method.weights
    if weights is None or not row.complete or row.partial_coverage:
        return []
    spec = plugins.spec_of("methods", row.record.method.name)
    name = spec.published.get(weights.name) if spec else None
    rows = [
        one
        for one in published.beside(row.dataset_name, row.protocol)
        if one.method == name and one.dataset == one.benchmark and one.comparable(row.protocol)
    ]
    found = []
    for metric in metrics:
        fitting = sorted((one for one in rows if one.quoted(metric)), key=lambda one: one.secondary)
        measured = row.values(metric)[0]
        if fitting and not math.isnan(measured):
            found.append(Difference(metric, measured, fitting[0].quoted(metric), fitting[0]))
    return found


def difference_note(name: str, row: Row, metrics: Sequence[str]) -> str:
    """The differences of a run in a sentence; empty if it has none."""
    found = differences(row, metrics)
    if not found:
        return ""
    sources = ", ".join(dict.fromkeys(one.row.source.removeprefix("https://") for one in found))
    return f"{name}: {'; '.join(map(str, found))}. {found[0].row.method}, {sources}."
