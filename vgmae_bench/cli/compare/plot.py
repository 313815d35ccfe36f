"""`vgmae-bench plot` and `report`: figures of runs and of trainings, and a comparison as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command
from vgmae_bench.compare.plots import NAMES
from vgmae_bench.errors import UnknownNameError, UsageError

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


@command(
    "vgmae-bench report --out report.html",
    "vgmae-bench report --dataset synth --protocol tapvid-first --clips 12 --out synth.html",
    "vgmae-bench report lucas-kanade zero-motion --protocol tapvid-first --keep-players --out report.html",
)
@options.runs
@options.out_file(".html", ".htm")
@click.option("--title", default="Point tracking, compared", help="The heading.")
@click.option("--clips", type=click.IntRange(min=0), default=6, help="Largest number of players per protocol.")
@click.option("--max-points", type=click.IntRange(min=1), default=64, help="Largest number of tracks in a player.")
@click.option(
    "--keep-players",
    "keep",
    is_flag=True,
    help="Store the players' frames and tracks beside the runs: 150 kB per clip, small enough to commit.",
)
@options.data_root
def report(chosen: dict[str, Any], out: Path, **contents: Any) -> None:
    """Write the comparison of runs as one HTML file that needs no network: tables, plots, and players of the worst clips.

    RUN is a run's folder, the first digits of its key, or a method. Without RUN, the report has all complete runs of
    the results folder. Every protocol has its own section.

    A player shows the frames of a clip with the true tracks and those of any two methods. It needs predictions and the
    dataset, or files that --keep-players stored before. The report and these files contain frames of the dataset. Check
    its licence before you share them.
    """
    from vgmae_bench.compare.report.page import page
    from vgmae_bench.compare.selection import select_runs
    from vgmae_bench.files import make_folder, write_atomically

    rows = select_runs(**chosen)
    text = page(rows, **contents)
    make_folder(out.parent)
    write_atomically(out, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    click.echo(f"{out}: {len(rows)} runs, {text.count('<article')} players, {out.stat().st_size / 1e6:.1f} MB")
