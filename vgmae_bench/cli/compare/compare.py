"""`vgmae-bench compare`: compares two runs clip by clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from vgmae_bench.compare.paired import Paired
    from vgmae_bench.compare.selection import Row


@command(
    "vgmae-bench compare videogmae lucas-kanade",
    "vgmae-bench compare lucas-kanade zero-motion --protocol tapvid-strided --json",
    "vgmae-bench compare 69d5a9da dbd38c7f --metric survival --metric median_trajectory_error",
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@options.dataset_filter
@options.protocol_filter
@options.metrics
@click.option("--clips", default=5, help="The number of best and of worst clips to list.")
@options.allow_incomplete
@options.results
@options.as_json
def compare(
    first: str,
    second: str,
    dataset: tuple[str, ...],
    protocol: tuple[str, ...],
    metrics: tuple[str, ...],
    clips: int,
    incomplete: bool,
    results: Path,
    as_json: bool,
) -> None:
    """Compare two runs clip by clip: differences with 95 % intervals, a paired test, wins and losses.

    A and B are folders of runs, first digits of their keys, or names of methods. Names must fit exactly one pair of
    runs.

    The test flips the signs of the clips' differences at random. Its p-values are corrected for the number of metrics
    (Holm). Intervals come from resampling clips. Neither says anything about other datasets or other training seeds.
    """
    from vgmae_bench.compare import paired
    from vgmae_bench.compare.metric_names import find_metrics
    from vgmae_bench.compare.row import names
    from vgmae_bench.compare.selection import HEADLINE, select_pair

    a, b = select_pair(results, (first, second), dataset, protocol, incomplete=incomplete)
    chosen = find_metrics(metrics, [*a.summary.metrics, *b.summary.metrics]) if metrics else list(HEADLINE)
    found = paired.compare(a, b, chosen)
    if not as_json:
        _print(a, b, found, clips)
        return
    content = {
        "first": {"method": a.method, "run": str(a.run.path), "clips": a.clips, "complete": a.complete},
        "second": {"method": b.method, "run": str(b.run.path), "clips": b.clips, "complete": b.complete},
        "protocol": a.title,
        "metrics": [pair.as_json(clips) for pair in found],
        "sentences": [pair.sentence(*names([a, b])) for pair in found],
    }
    print_json(content)


def _print(a: Row, b: Row, found: Sequence[Paired], clips: int) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.measure import Measurement

    from vgmae_bench.compare.row import names
    from vgmae_bench.compare.tables import FILE_WIDTH, console

    one, other = names([a, b])
    screen = console()
    screen.print(escape(f"{a.title}\nA  {one}\nB  {other}"), soft_wrap=True)
    wide = Console(width=FILE_WIDTH)
    one_line, two_lines = (_grid(found, break_) for break_ in (" ", "\n"))
    needed = [Measurement.get(wide, wide.options, table).maximum for table in (one_line, two_lines)]
    if needed[0] <= screen.width:
        screen.print(one_line)
    else:
        console(needed[1]).print(two_lines)
    for name, row in ((one, a), (other, b)):
        if not row.complete:
            screen.print(escape(f"{name}: incomplete, {row.clips} clips; not for comparison."), soft_wrap=True)
    for pair in found:
        screen.print(escape(pair.sentence(one, other)), soft_wrap=True)
    best, worst = found[0].extremes(clips)
    for word, listed in (("best", best), ("worst", worst)):
        text = ", ".join(f"{clip} ({found[0].scale * difference:+.1f})" for clip, difference in listed)
        screen.print(escape(f"{one} does {word} ({found[0].label}) on {text}"), soft_wrap=True)


def _grid(found: Sequence[Paired], break_: str) -> Table:
    """One line per metric. `break_` stands before intervals: a new line on a narrow terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(header_style="bold")
    shared = len({pair.clips for pair in found}) == 1
    for name in (
        "metric",
        "A",
        "B",
        f"A − B{break_}[95 %]",
        "p (Holm)",
        "wins / ties\n/ losses",
        *["clips"] * (not shared),
    ):
        table.add_column(escape(name), justify="left" if name == "metric" else "right", no_wrap=True)
    for pair in found:
        values = [f"{pair.scale * value:.2f}" for value in (pair.first, pair.second)]
        difference, low, high = (pair.scale * value for value in (pair.difference, pair.low, pair.high))
        counts = f"{pair.wins} / {pair.ties} / {pair.losses}"
        cells = [*values, f"{difference:+.2f}{break_}[{low:+.1f}, {high:+.1f}]", f"{pair.p_holm:.2g}", counts]
        table.add_row(escape(pair.label), *map(escape, cells), *[str(pair.clips)] * (not shared))
    return table
