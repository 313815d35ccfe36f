"""`vgmae-bench table`: compares runs in one table."""

from __future__ import annotations

from pathlib import Path

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, examples


@command(
    epilog=examples(
        "vgmae-bench table",
        "vgmae-bench table --dataset synth --protocol tapvid-first --rank",
        "vgmae-bench table --metric AJ --metric survival --sort ms/frame --columns clips,ms/frame",
        "vgmae-bench table --dataset davis --published primary --format latex",
        "vgmae-bench table 69d5a9da dbd38c7f --format csv",
    )
)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@options.dataset_filter
@options.method_filter
@options.protocol_filter
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "latex", "csv", "json"]),
    default="text",
    show_default=True,
)
@options.metrics
@click.option(
    "--sort", default="", help="Sort by a metric, method, clips, ms/frame or peak MB.  [default: first metric]"
)
@click.option("--columns", metavar="NAME,...", help="Columns after the metrics: clips, ms/frame, peak MB, run.")
@click.option("--rank", is_flag=True, help="Add ranks. Runs that a paired test cannot separate share a rank.")
@click.option(
    "--published",
    is_flag=False,
    flag_value="all",
    default="",
    metavar="[all|primary|NAME,...]",
    help="Add published numbers: all, those read in the authors' own text, or those of methods.",
)
@options.allow_incomplete
@click.option("--allow-mixed", is_flag=True, help="Allow runs of different protocols or datasets in one table.")
@options.results
def table(
    runs: tuple[str, ...],
    dataset: str | None,
    method: tuple[str, ...],
    protocol: str | None,
    form: str,
    metrics: tuple[str, ...],
    sort: str,
    columns: str | None,
    rank: bool,
    published: str,
    allow_incomplete: bool,
    allow_mixed: bool,
    results: Path,
) -> None:
    """Compare runs in one table, with 95 % bootstrap intervals over clips.

    RUN is a run's folder, the first digits of its key, or a method with one run. Without RUN, the command takes every
    complete run of the results folder and prints a table for each dataset and protocol.

    A narrow terminal first leaves out costs, then shows intervals as half-widths, then wraps long names.
    """
    from vgmae_bench.compare import content, flat, literature, tables
    from vgmae_bench.compare.metric_names import find_metrics
    from vgmae_bench.compare.selection import HEADLINE, by_protocol, select_runs
    from vgmae_bench.errors import UnknownNameError, UsageError

    try:
        rows = select_runs(results, runs, dataset, method, protocol, incomplete=allow_incomplete)
    except UnknownNameError:
        if not published or runs or method:
            raise
        rows = []  # published numbers need no runs
    if runs and not allow_mixed:
        content.check_comparable(rows)
    names = [name for row in rows for name in row.metric_names]
    by = content.find_sort(sort, names)
    if form in ("csv", "json"):
        if columns is not None:
            raise UsageError(f"--columns cannot be combined with --format {form}", "this format has all columns")
        chosen = find_metrics(metrics, names) if metrics and rows else []
        records = flat.flat_records(rows, metrics=chosen, sort=by, rank=rank, with_published=published)
        if not rows:
            records = flat.published_alone(dataset, protocol, published)
        click.echo({"csv": flat.as_csv, "json": flat.as_json}[form](records).rstrip("\n"))
        return
    shown = find_metrics(metrics, names or HEADLINE)
    if not rows:
        built = literature.published_tables(dataset, protocol, shown, published)
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
