"""Several runs as a table, as a DataFrame, in comparisons and in plots."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from vgmae_bench.api.run import Run
from vgmae_bench.compare import content, tables
from vgmae_bench.compare.cells import Table
from vgmae_bench.compare.row import HEADLINE, Row, find_metrics, names
from vgmae_bench.compare.selection import Names, by_protocol, candidates, listed, select_runs
from vgmae_bench.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from vgmae_bench.compare.paired import Paired
    from vgmae_bench.compare.plots.style import Plot

Format = Literal["text", "md", "latex", "csv", "json"]


class Runs(Sequence[Run]):
    """Scored runs. `runs + other_runs` and `runs + [run]` join them; a run in both occurs once."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = list({run.path.resolve(): run for run in runs}.values())

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        return Runs(self._runs[index]) if isinstance(index, slice) else self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def __add__(self, others: Iterable[Run]) -> Runs:
        return Runs([*self, *others])

    @property
    def rows(self) -> list[Row]:
        """The runs in the form for tables and plots."""
        return [run.row for run in self]

    def to_pandas(self) -> pd.DataFrame:
        """One row for each run.

        Columns are method, data, settings ("settings.NAME"), coverage and cost. Metrics are fractions, with the ends of
        their 95 % intervals (NAME_low, NAME_high).
        """
        import pandas as pd

        settings = {str(row.run.path): row.record.method.settings for row in self.rows}
        records = content.flat_records(self.rows)
        return pd.json_normalize([{**record, "settings": settings[record["run"]]} for record in records])

    def table(
        self,
        format: Format = "text",
        *,
        metrics: Names = (),
        rank: bool = False,
        published: bool = False,
        mixed: bool = False,
    ) -> str:
        """A table for each dataset and protocol, in percent, with 95 % intervals over clips.

        Arguments:
            format: "text", "md" (Markdown), "latex" (booktabs), "csv" or "json".
            metrics: a metric or several; none: AJ, δ_avg and OA, or all of them in "csv" and "json".
            rank: add ranks, shared where a paired test cannot separate the runs.
            published: add published numbers.
            mixed: one table for all, though their numbers do not compare.

        Raises:
            UnknownNameError: no run has one of the metrics.
            UsageError: there is no such format.
        """
        if format not in get_args(Format):
            raise UsageError(f'There is no format "{format}"', "there are: " + ", ".join(get_args(Format)))
        rows, shown = self.rows, "all" if published else ""
        if format in ("csv", "json"):
            chosen = self._metrics(metrics) if metrics else []
            records = content.flat_records(rows, metrics=chosen, rank=rank, with_published=shown)
            return {"csv": tables.as_csv, "json": tables.as_json}[format](records).rstrip("\n")
        groups = [rows] if mixed else by_protocol(rows)
        chosen = self._metrics(metrics)
        built = [content.build(group, metrics=chosen, rank=rank, with_published=shown) for group in groups]
        write = {"md": tables.markdown, "latex": tables.latex, "text": _as_text}[format]
        return "\n\n".join(write(table) for table in built)

    def compare(self, first: str | Run, second: str | Run, *metrics: str) -> Comparison:
        """Compare two runs clip by clip: paired differences, intervals and tests.

        Arguments:
            first, second: runs, or names of these runs: a method, a folder, or the first digits of a key.
            metrics: names of metrics, such as "AJ"; none: those of every table.

        Raises:
            UnknownNameError: a name fits none of the runs, or several. No run has one of the metrics.
            UsageError: the two answer different query sets.
        """
        from vgmae_bench.compare import paired

        a, b = (self._row(run) for run in (first, second))
        return Comparison(a, b, paired.compare(a, b, self._metrics(metrics)))

    def plot(self, name: str, **options: Any) -> Plot:
        """A figure of the runs, see `vgmae-bench plot --help`: `.figure` is Matplotlib's, `.table` has its numbers.

        Arguments:
            name: bars, bars_audit, thresholds, clips, occlusion or cost.
            options: for bars and bars_audit, `dataset`: a dataset or several.

        Raises:
            UserError: there is no such figure, or the runs lack its data.
        """
        from vgmae_bench.compare.plots import make_plot

        if name == "curves":
            raise UsageError("curves show trainings, not runs", try_="vgmae-bench plot curves FOLDER --out figures")
        plot: Plot = make_plot(name, self.rows, **options)
        return plot

    def _metrics(self, asked: Names) -> list[str]:
        """The names in records of these metrics."""
        return find_metrics(listed(asked), [name for row in self.rows for name in row.summary.metrics])

    def _row(self, run: str | Run) -> Row:
        if isinstance(run, Run):
            return run.row
        found = candidates(run, self.rows)
        if len(found) != 1:
            told = "; ".join(f"{row.method} on {row.title}" for row in found) or "there are: " + ", ".join(
                names(self.rows)
            )
            raise UnknownNameError(f'"{run}" fits {len(found)} of these runs', told)
        return found[0]

    def __repr__(self) -> str:
        return "\n".join([f"{len(self)} runs:", *(f"  {run!r}" for run in self)])

    def _repr_html_(self) -> str:
        shown = self.to_pandas()[["method", "weights", "dataset", "protocol", *HEADLINE, "clips_scored"]]
        return shown.rename(columns=HEADLINE).to_html(index=False, float_format=lambda value: f"{100 * value:.2f}")


class Comparison:
    """A comparison of two runs clip by clip. Printing it states in words whether they differ.

    Attributes:
        metrics: one for each metric, with differences, intervals, p-values, wins and losses.
    """

    def __init__(self, first: Row, second: Row, metrics: list[Paired]) -> None:
        self.first, self.second, self.metrics = first, second, metrics

    def to_pandas(self) -> pd.DataFrame:
        """A row a metric, in the units of the records: fractions, or pixels."""
        import pandas as pd

        return pd.DataFrame([pair.as_json(0) for pair in self.metrics]).drop(columns=["best", "worst"])

    def __str__(self) -> str:
        labels = names([self.first, self.second])
        return "\n".join([self.first.title, *(pair.sentence(*labels) for pair in self.metrics)])

    __repr__ = __str__


def load_runs(
    results: str | Path = "results",
    *names: str,
    method: Names = (),
    dataset: Names = (),
    protocol: Names = (),
    incomplete: bool = False,
) -> Runs:
    """Scored runs of a results folder.

    Arguments:
        results: the folder. Runs in its sub-folder `reference` are found as well.
        names: folders of runs, first digits of keys, or methods that only one run fits; none: all complete runs.
        method, dataset, protocol: only runs of, on, and under these: a name, or several.
        incomplete: also take runs that lack clips.

    Raises:
        UnknownNameError: no run fits, or a name fits no run.
        UsageError: a named run lacks clips.
        BadDataError: a named run is damaged.
    """
    rows = select_runs(Path(results), names, dataset, method, protocol, incomplete=incomplete)
    return Runs(Run(row.run) for row in rows)


def published() -> pd.DataFrame:
    """Numbers that others have published: a row each, in percent, with source, evidence and how the protocol differs."""
    import dataclasses

    import pandas as pd

    from vgmae_bench.compare.published import read

    table = pd.DataFrame([dataclasses.asdict(row) for row in read()])
    numbers = ["year", "AJ", "delta_avg", "OA"]
    table[numbers] = table[numbers].apply(pd.to_numeric)
    return table


def _as_text(table: Table) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as text:
        tables.print_text(table)
    return text.getvalue().rstrip("\n")
