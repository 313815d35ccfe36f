"""`vgmae-bench table`: runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, examples, say


@command(
    epilog=examples(
        "vgmae-bench table",
        "vgmae-bench table --dataset synth --protocol tapvid-first --rank",
        "vgmae-bench table --dataset davis --published --format latex",
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
@click.option("--rank", is_flag=True, help="Add ranks, shared where a paired test cannot separate the runs.")
@click.option(
    "--published", is_flag=True, help="Add published numbers, with their source and a mark where the protocol differs."
)
@options.allow_incomplete
@click.option(
    "--allow-mixed", is_flag=True, help="Put runs of different protocols or datasets in one table all the same."
)
@options.results
def table(
    runs: tuple[str, ...],
    dataset: str | None,
    method: tuple[str, ...],
    protocol: str | None,
    form: str,
    rank: bool,
    published: bool,
    allow_incomplete: bool,
    allow_mixed: bool,
    results: Path,
) -> None:
    """Compare runs in one table, with 95 % bootstrap intervals over clips.

    RUN is a run's folder, the first digits of its key, or a method that only one run fits. Without any, every complete run
    of the results folder is taken, and each dataset and protocol gets a table of its own.
    """
    from vgmae_bench.compare import content, tables
    from vgmae_bench.compare.selection import by_protocol, select_runs

    rows = select_runs(results, runs, dataset, method, protocol, incomplete=allow_incomplete, say=say)
    if runs and not allow_mixed:
        content.check_comparable(rows)
    if form in ("csv", "json"):
        records = content.flat(rows, rank=rank, with_published=published)
        click.echo({"csv": tables.as_csv, "json": tables.as_json}[form](records).rstrip("\n"))
        return
    groups = [rows] if allow_mixed else by_protocol(rows)
    for number, group in enumerate(groups):
        if number:
            click.echo()
        built = content.build(group, rank=rank, with_published=published)
        if form == "text":
            tables.print_text(built)
        else:
            click.echo({"md": tables.markdown, "latex": tables.latex}[form](built))
