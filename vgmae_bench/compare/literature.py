"""Published numbers as lines of a table, below runs or alone."""

from __future__ import annotations

from collections.abc import Sequence

from vgmae_bench.compare import published
from vgmae_bench.compare.cells import OTHER_PROTOCOL, SECONDARY, SOURCE, Cell, Line, Table, mark_best
from vgmae_bench.compare.metric_names import label
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
            table.details.append(SOURCE)
            found.append(table)
    if not found:
        raise UnknownNameError(
            "There are no published numbers" + (" for " + ", ".join(dataset) if dataset else ""),
            "published.csv has " + ", ".join(published.BENCHMARKS),
            try_="vgmae-bench table --published --dataset davis",
        )
    return found
