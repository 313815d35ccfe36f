"""`vgmae-bench table`: runs side by side."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import click

from vgmae_bench.cli import examples, options


@click.command(
    epilog=examples(
        "vgmae-bench table --dataset synth",
        "vgmae-bench table --dataset davis --protocol tapvid-strided --format markdown",
        "vgmae-bench table 3f2a91c0 77e01b52 --format csv",
    )
)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--dataset", help="Only runs on this dataset.")
@click.option("--method", multiple=True, help="Only runs of this method; repeatable.")
@click.option("--protocol", help="Only runs under this protocol.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown", "csv", "json"]),
    default="terminal",
    show_default=True,
)
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
    allow_mixed: bool,
    out: Path,
) -> None:
    """Compare runs in one table, with 95 % bootstrap intervals over clips.

    RUN is a run's folder or the first digits of its key; without any, all runs of the results folder are taken.
    """
    from vgmae_bench.compare import tables
    from vgmae_bench.compare.selection import select_runs

    rows = select_runs(out, runs, dataset, method, protocol, incomplete=True)
    if not allow_mixed:
        tables.check_comparable(rows)
    best = [row.values("average_jaccard")[0] for row in rows]
    rows = [row for _, row in sorted(zip(best, rows, strict=True), key=lambda pair: (isnan(pair[0]), -pair[0]))]
    if form == "terminal":
        tables.print_table(rows)
    else:
        click.echo({"markdown": tables.markdown, "csv": tables.as_csv, "json": tables.as_json}[form](rows).rstrip("\n"))
