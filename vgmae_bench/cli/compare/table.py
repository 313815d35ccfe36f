"""`vgmae-bench table`: compares runs in one table."""

from __future__ import annotations

from typing import Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command


@command(
    "vgmae-bench table",
    "vgmae-bench table --dataset synth --protocol tapvid-first --rank",
    "vgmae-bench table --metric AJ --metric survival --sort ms/frame --columns clips,ms/frame",
    "vgmae-bench table --dataset davis --published primary --format latex",
    "vgmae-bench table 69d5a9da dbd38c7f --format csv",
)
@options.runs
@click.option("--format", "form", type=click.Choice(["text", "md", "latex", "csv", "json"]), default="text")
@options.metrics
@click.option(
    "--sort",
    default="",
    show_default="first metric",
    help="Sort by a metric, method, clips, ms/frame or peak MB.",
)
@click.option("--columns", metavar="NAME,...", help="Columns after the metrics: clips, ms/frame, peak MB, run.")
@click.option("--rank", is_flag=True, help="Add ranks. Runs that a paired test cannot separate share a rank.")
@click.option(
    "--published",
    is_flag=False,
    flag_value="all",
    default="",
    show_default=False,
    metavar="[all|primary|NAME,...]",
    help="Add published numbers: all, those read in the authors' own text, or those of methods.",
)
@click.option("--allow-mixed", is_flag=True, help="Allow runs of different protocols or datasets in one table.")
def table(
    chosen: dict[str, Any],
    form: str,
    metrics: tuple[str, ...],
    sort: str,
    columns: str | None,
    rank: bool,
    published: str,
    allow_mixed: bool,
) -> None:
    """Compare runs in one table, with 95 % bootstrap intervals over clips.

    RUN is a run's folder, the first digits of its key, or a method with one run. Without RUN, the command takes every
    complete run of the results folder and prints a table for each dataset and protocol.

    A narrow terminal first leaves out costs, then shows intervals as half-widths, then wraps long names.
    """
    from vgmae_bench.compare import cells, content, tables
    from vgmae_bench.compare.published import kinds_alone
    from vgmae_bench.compare.row import HEADLINE, find_metrics
    from vgmae_bench.compare.selection import by_protocol, select_runs
    from vgmae_bench.errors import UnknownNameError, UsageError

    try:
        rows = select_runs(**chosen)
    except UnknownNameError:
        if not published or chosen["names"] or chosen["method"]:
            raise
        rows = []  # published numbers need no runs
    if chosen["names"] and not allow_mixed:
        content.check_comparable(rows)
    names = [name for row in rows for name in row.summary.metrics]
    by = content.find_sort(sort, names)
    if form in ("csv", "json"):
        if columns is not None:
            raise UsageError(f"--columns cannot be combined with --format {form}", "this format has all columns")
        shown = find_metrics(metrics, names) if metrics and rows else []
        kinds = None if rows else kinds_alone(chosen["dataset"], chosen["protocol"])
        records = content.flat_records(
            rows, metrics=shown, sort=by, rank=rank, with_published=published, published_kinds=kinds
        )
        click.echo({"csv": tables.as_csv, "json": tables.as_json}[form](records).rstrip("\n"))
        return
    shown = find_metrics(metrics, names or HEADLINE)
    if not rows:
        built = cells.published_tables(chosen["dataset"], chosen["protocol"], shown, published)
    else:
        kept = content.find_columns(columns)
        groups = [rows] if allow_mixed else by_protocol(rows)
        built = [
            content.build(group, metrics=shown, sort=by, columns=kept, rank=rank, with_published=published)
            for group in groups
        ]
    for number, one in enumerate(built):
        if number:
            click.echo()
        if form == "text":
            tables.print_text(one)
        else:
            click.echo({"md": tables.markdown, "latex": tables.latex}[form](one))
