"""`vgmae-bench plot`: figures of runs and of trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command
from vgmae_bench.compare.plots import NAMES

TRAININGS = Path("trained")
CHOICES = [name for name in NAMES if name != "bars_audit"]


@command(
    "vgmae-bench plot thresholds --out figures",
    "vgmae-bench plot clips videogmae lucas-kanade --dataset synth --protocol tapvid-first --out figures",
    "vgmae-bench plot bars --width 3.3 --out figures",
    "vgmae-bench plot curves trained/tiny --out figures",
)
@click.argument("name", type=click.Choice(CHOICES), metavar="|".join(CHOICES))
@options.runs
@options.out("Folder for the files of the figure.", required=True)
@click.option("--audit", is_flag=True, help="For bars: plot every pair of values, one panel per dataset.")
@click.option(
    "--width", type=click.FloatRange(min=2.0), default=6.9, help="Width in inches; one column of text is 3.3."
)
def plot(name: str, chosen: dict[str, Any], out: Path, audit: bool, width: float) -> None:
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
    from vgmae_bench.compare.selection import select_runs
    from vgmae_bench.errors import UnknownNameError, UsageError

    if audit and name != "bars":
        raise UsageError(
            f"--audit cannot be combined with {name}", "only bars have an audit", try_="vgmae-bench plot bars --audit"
        )
    try:
        shown = _trainings(chosen["names"], chosen["results"]) if name == "curves" else select_runs(**chosen)
    except UnknownNameError:
        if name != "bars" or chosen["names"]:
            raise
        shown = []  # bars of published numbers need no runs
    bars = {"dataset": chosen["dataset"]} if name == "bars" else {}
    for file in save_plot("bars_audit" if audit else name, shown, out, width=width, **bars):
        click.echo(file)


def _trainings(names: Sequence[str], results: Path) -> Sequence[Path]:
    """The named folders of trainings, or else all below `results` and below `TRAININGS`."""
    from vgmae_bench.errors import UnknownNameError

    found = [Path(name) for name in names]
    if not found:
        found = [log.parent for root in (results, TRAININGS) for log in sorted(root.rglob("log.csv"))]
    if not found:
        raise UnknownNameError(
            "There is no training",
            f"looked for log.csv below {results} and {TRAININGS}",
            try_="vgmae-bench plot curves FOLDER --out figures",
        )
    return found
