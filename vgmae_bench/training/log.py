"""The log of a training: log.csv, and the curve as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgmae_bench.files import storage_errors, write_atomically

Row = dict[str, float | None]

FIRST = ("step", "loss", "lr", "seconds", "clips_per_second", "grad_norm")
"""The first columns of every log. The terms of the loss and the validation metrics follow."""


FLOOR = "_zero_motion"
"""Suffix of the names of zero-motion's metrics."""


class Log:
    """Writes log.csv. Lines of earlier sessions are kept up to the step at which training continues.

    Arguments:
        path: the CSV file.
        step: lines of later steps are dropped, because these steps are repeated.
        metrics: names of the validation metrics.

    Raises:
        StorageError: the file cannot be written.
    """

    def __init__(self, path: Path, step: int, metrics: Sequence[str]) -> None:
        self._path, self._metrics = path, metrics
        # A log of an older version can lack metrics.
        self.rows = [
            row | {name: None for name in metrics if name not in row}
            for row in read_log(path)
            if (row["step"] or 0) <= step
        ]
        write_atomically(path, lambda temporary: _write(temporary, self.rows))

    def add(self, row: Row) -> None:
        """Append a line. Only validation metrics may be missing; the other names are always the same."""
        names = list(self.rows[0]) if self.rows else dict.fromkeys([*FIRST, *row, *self._metrics])
        row = {name: row.get(name) for name in names}
        with storage_errors(self._path), self._path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if not self.rows:
                writer.writeheader()
            writer.writerow(row)
        self.rows.append(row)


def read_log(path: Path) -> list[Row]:
    """The complete lines of a log.csv; empty if the file does not exist. A truncated last line is left out."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(line for line in file if line.endswith("\n")))
    return [
        {name: float(text) if text else None for name, text in zip(lines[0], line, strict=True)}
        for line in lines[1:]
        if len(line) == len(lines[0])
    ]


def draw_curve(rows: Sequence[Row], path: Path, metrics: Sequence[str]) -> None:
    """Draw the loss over the steps, and each validation metric to its right, as a PNG.

    A metric "X_zero_motion" is a dotted line in the plot of X.
    """
    from matplotlib.figure import Figure

    columns = [name for name in metrics if any(row.get(name) is not None for row in rows)]
    shown = [name for name in columns if not name.endswith(FLOOR)]
    figure = Figure(figsize=(4 + 3.5 * len(shown), 3.2), layout="constrained")
    axes: Any = figure.subplots(1, 1 + len(shown), squeeze=False)[0]
    losses = [row["loss"] or 0.0 for row in rows]
    axes[0].plot([row["step"] for row in rows], losses, lw=1)
    axes[0].set(xlabel="step", ylabel="loss", yscale="log" if min(losses, default=1.0) > 0 else "linear")
    for panel, name in zip(axes[1:], shown, strict=True):
        for column, style in ((name, "-"), (name + FLOOR, ":")):
            measured = [row for row in rows if row.get(column) is not None]
            panel.plot([row["step"] for row in measured], [row[column] for row in measured], style)
        panel.set(xlabel="step", ylabel=name.replace("_", " "))
    for one in axes:
        one.grid(alpha=0.3)
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110))


def _write(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        if rows:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows({**row, "step": int(row["step"] or 0)} for row in rows)  # steps are whole numbers
