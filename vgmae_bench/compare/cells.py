"""The parts of a table: cells, lines and the table itself, with the marks of names and the column names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from vgmae_bench.compare.row import lower_is_better

Mark = Literal["best", "second", ""]
INCOMPLETE, JOINT, OTHER_PROTOCOL, SECONDARY = "*", "§", "†", "‡"
"""Marks after names: runs that lack clips, runs whose queries see each other, published rows of another protocol, and
secondary published rows."""
COSTS = ("ms/frame", "peak MB")
"""Columns that a narrow terminal leaves out first."""
WORDS = ("dataset", "protocol", "source")
"""Columns of words, aligned to the left."""


@dataclass(frozen=True)
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
        competing = [line for line in lines if not math.isnan(line.cells[column].mean)]
        if len({line.cells[column].query_sets for line in competing}) > 1:
            competing = [line for line in competing if not line.cells[column].query_sets]
        if len(competing) < 2:
            continue
        printed = sorted({line.cells[column].printed for line in competing}, reverse=metric not in lower_is_better())
        marks: dict[float, Mark] = dict(zip(printed, ("best", "second"), strict=False))
        for line in competing:
            cell = line.cells[column]
            line.cells[column] = replace(cell, mark=marks.get(cell.printed, ""))
