"""`vgmae-bench report`: a comparison as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, examples


@command(
    epilog=examples(
        "vgmae-bench report --out report.html",
        "vgmae-bench report --dataset synth --protocol tapvid-first --clips 12 --out synth.html",
        "vgmae-bench report lucas-kanade zero-motion --protocol tapvid-first --keep-players --out report.html",
    )
)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@options.out_file("The file to write, .html.")
@options.results
@options.dataset_filter
@options.method_filter
@options.protocol_filter
@options.allow_incomplete
@click.option("--title", default="Point tracking, compared", show_default=True, help="The heading.")
@click.option(
    "--clips", type=click.IntRange(min=0), default=6, show_default=True, help="Largest number of players per protocol."
)
@click.option(
    "--max-points",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Largest number of tracks in a player.",
)
@click.option(
    "--keep-players",
    is_flag=True,
    help="Store the players' frames and tracks beside the runs: 150 kB per clip, small enough to commit.",
)
@options.data_root
def report(
    runs: tuple[str, ...],
    out: Path,
    results: Path,
    dataset: str | None,
    method: tuple[str, ...],
    protocol: str | None,
    allow_incomplete: bool,
    title: str,
    clips: int,
    max_points: int,
    keep_players: bool,
    data_root: Path | None,
) -> None:
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

    rows = select_runs(results, runs, dataset, method, protocol, incomplete=allow_incomplete)
    text = page(rows, title=title, clips=clips, max_points=max_points, keep=keep_players, data_root=data_root)
    make_folder(out.parent)
    write_atomically(out, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    click.echo(f"{out}: {len(rows)} runs, {text.count('<article')} players, {out.stat().st_size / 1e6:.1f} MB")
