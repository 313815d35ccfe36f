"""The parts of a table: cells, lines and the table itself, with marks of names, and lines of published numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from vgmae_bench.compare import published
from vgmae_bench.compare.row import label, lower_is_better
from vgmae_bench.errors import UnknownNameError

Mark = Literal["best", "second", ""]
INCOMPLETE, JOINT, OTHER_PROTOCOL, SECONDARY = "*", "§", "†", "‡"
"""Marks after names: runs that lack clips, runs whose queries see each other, published rows of another protocol, and
secondary published rows."""
COSTS = ("ms/frame", "peak MB")
"""Columns that a narrow terminal leaves out first."""
WORDS = ("dataset", "protocol", "source")
"""Columns of words, aligned to the left."""


@dataclass
class Cell:
    """A mean with the ends of its interval (NaN if there is none), in percent or in the metric's unit.

    Attributes:
        mark: whether it is the best or the second best value of its column.
        quoted: a published number with the digits that its source prints.
        query_sets: the number of query sets in the mean, if others have no value; 0 if all have one.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    mark: Mark = ""
    quoted: str = ""
    query_sets: int = 0

    @property
    def value(self) -> str:
        """The mean alone."""
        number = f" (n={self.query_sets})" if self.query_sets else ""
        return "–" if math.isnan(self.mean) else self.quoted or f"{self.mean:.2f}{number}"

    @property
    def printed(self) -> float:
        """The mean, rounded to the printed digits."""
        return float(self.quoted or f"{self.mean:.2f}")

    @property
    def interval(self) -> str:
        """For example "[65.0, 68.0]". Empty if there is no interval."""
        return "" if math.isnan(self.mean) or math.isnan(self.low) else f"[{self.low:.1f}, {self.high:.1f}]"

    @property
    def half_width(self) -> str:
        """For example "±1.5". Empty if there is no interval."""
        return f"±{(self.high - self.low) / 2:.1f}" if self.interval else ""


@dataclass
class Line:
    """One line of a table. `details` are the columns after the metrics; `key` is a BibTeX key."""

    name: str
    cells: list[Cell]
    details: list[str]
    competes: bool
    key: str = ""


@dataclass
class Table:
    """A table: title, column names, lines of runs, lines of published numbers, and notes below.

    Attributes:
        chosen: whether the user chose the columns. A narrow terminal then leaves none out.
    """

    title: str
    metrics: list[str]
    details: list[str]
    measured: list[Line]
    literature: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chosen: bool = False

    @property
    def lines(self) -> list[Line]:
        """All lines, those of runs first."""
        return [*self.measured, *self.literature]


def mark_best(table: Table, metrics: Sequence[str], *, literature: bool) -> None:
    """Mark the best and the second best value of every column. Equal printed values share a mark. A single line has none."""
    lines = [line for line in (table.lines if literature else table.measured) if line.competes]
    if len(lines) < 2:
        return
    for column, metric in enumerate(metrics):
        cells = [line.cells[column] for line in lines if not math.isnan(line.cells[column].mean)]
        if len({cell.query_sets for cell in cells}) > 1:
            cells = [cell for cell in cells if not cell.query_sets]
        if len(cells) < 2:
            continue
        printed = sorted({cell.printed for cell in cells}, reverse=metric not in lower_is_better())
        marks: dict[float, Mark] = dict(zip(printed, ("best", "second"), strict=False))
        for cell in cells:
            cell.mark = marks.get(cell.printed, "")


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
