"""`vgmae-bench plot`: figures of runs and of trainings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, examples
from vgmae_bench.compare.plots import NAMES

if TYPE_CHECKING:
    from vgmae_bench.compare.selection import Row

TRAININGS = Path("trained")
CHOICES = [name for name in NAMES if name != "bars_audit"]


@command(
    epilog=examples(
        "vgmae-bench plot thresholds --out figures",
        "vgmae-bench plot clips videogmae lucas-kanade --dataset synth --protocol tapvid-first --out figures",
        "vgmae-bench plot bars --width 3.3 --out figures",
        "vgmae-bench plot curves trained/tiny --out figures",
    )
)
@click.argument("name", type=click.Choice(CHOICES), metavar="|".join(CHOICES))
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@options.out("Folder for the files of the figure.", required=True)
@options.dataset_filter
@options.method_filter
@options.protocol_filter
@click.option("--audit", is_flag=True, help="For bars: plot every pair of values, one panel per dataset.")
@click.option(
    "--width",
    type=click.FloatRange(min=2.0),
    default=6.9,
    show_default=True,
    help="Width in inches; one column of text is 3.3.",
)
@options.allow_incomplete
@options.results
def plot(
    name: str,
    runs: tuple[str, ...],
    out: Path,
    dataset: str | None,
    method: tuple[str, ...],
    protocol: str | None,
    audit: bool,
    width: float,
    allow_incomplete: bool,
    results: Path,
) -> None:
    """Plot a figure: OUT/NAME.png, OUT/NAME.pdf and its data OUT/NAME.csv.

    \b
    bars        headline claims: the gain as stated, as published between self-supervised methods, and as measured
    thresholds  position accuracy and Jaccard at 1 to 16 px
    clips       two methods clip by clip: scatter plot and sorted differences
    occlusion   accuracy against time since the query and since a point was hidden
    cost        average Jaccard against milliseconds per frame and peak memory
    curves      training: loss and zero-shot position accuracy over the steps

    RUN is a run's folder, the first digits of its key, or a method with one run. Without RUN, the figure shows all
    complete runs of the results folder, each protocol in panels of its own. For curves, RUN is a folder of a training;
    without RUN, the figure shows those below results and trained.
    """
    from vgmae_bench.compare.plots import save_plot
    from vgmae_bench.errors import UsageError

    if audit and name != "bars":
        raise UsageError(
            f"--audit cannot be combined with {name}", "only bars have an audit", try_="vgmae-bench plot bars --audit"
        )
    if name == "curves":
        shown: list[Path] | list[Row] = [Path(run) for run in runs] or _trainings(results)
    else:
        shown = _runs(name, results, runs, dataset, method, protocol, allow_incomplete)
    bars: dict[str, str | None] = {"dataset": dataset} if name == "bars" else {}
    for file in save_plot("bars_audit" if audit else name, shown, out, width=width, **bars):
        click.echo(file)


def _trainings(results: Path) -> list[Path]:
    from vgmae_bench.errors import UnknownNameError

    found = [log.parent for root in (results, TRAININGS) for log in sorted(root.rglob("log.csv"))]
    if not found:
        raise UnknownNameError(
            "There is no training",
            f"looked for log.csv below {results} and {TRAININGS}",
            try_="vgmae-bench plot curves FOLDER --out figures",
        )
    return found


def _runs(
    name: str,
    results: Path,
    runs: tuple[str, ...],
    dataset: str | None,
    method: tuple[str, ...],
    protocol: str | None,
    incomplete: bool,
) -> list[Row]:
    """The runs to plot. Bars of published numbers need none."""
    from vgmae_bench.compare.selection import select_runs
    from vgmae_bench.errors import UnknownNameError

    try:
        return select_runs(results, runs, dataset, method, protocol, incomplete=incomplete)
    except UnknownNameError:
        if name != "bars" or runs:
            raise
        return []
