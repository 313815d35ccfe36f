"""`vgmae-bench report`: a comparison as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command


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
