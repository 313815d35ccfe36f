"""`vgmae-bench compare` and `claims`: test whether methods differ, and whether published claims hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, print_json
from vgmae_bench.errors import UnknownNameError

if TYPE_CHECKING:
    from rich.table import Table

    from vgmae_bench.compare.paired import Paired
    from vgmae_bench.compare.row import Row


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
def compare(first: str, second: str, metrics: tuple[str, ...], clips: int, as_json: bool, **filters: Any) -> None:
    """Compare two runs clip by clip: differences with 95 % intervals, a paired test, wins and losses.

    A and B are folders of runs, first digits of their keys, or names of methods. Names must fit exactly one pair of
    runs.

    The test flips the signs of the clips' differences at random. Its p-values are corrected for the number of metrics
    (Holm). Intervals come from resampling clips. Neither says anything about other datasets or other training seeds.
    """
    from vgmae_bench.compare import paired
    from vgmae_bench.compare.row import find_metrics, names
    from vgmae_bench.compare.selection import select_pair

    a, b = select_pair(names=(first, second), **filters)
    chosen = find_metrics(metrics, [*a.summary.metrics, *b.summary.metrics])
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


@command("vgmae-bench claims", "vgmae-bench claims --json")
@options.results
@options.as_json
def claims(results: Path, as_json: bool) -> None:
    """Check the headline claims of Video-GMAE against the published tables.

    The claims are +34.6 % on Kinetics, +13.1 % on Kubric and -1.2 % on DAVIS. For each, the command shows the published
    values that give the number, what they compare, and their protocols. If the results folder has complete runs of both
    methods on the same queries, it adds the measured gain. Then come findings about evaluators of other trackers.
    """
    from vgmae_bench.compare.claims import check_claims
    from vgmae_bench.compare.evaluators import findings
    from vgmae_bench.compare.selection import select_runs

    try:
        rows = select_runs(results)
    except UnknownNameError:  # without runs, only the published tables
        rows = []
    checked, found = check_claims(rows), findings()
    if as_json:
        print_json([*checked, *found])
        return
    for claim in checked:
        click.secho(claim["claim"], bold=True)
        click.echo(f"  {claim['verdict']}")
        if not claim["like_for_like"]["published"]:
            click.echo("  Same protocol: no published values of both methods under one protocol are known.")
    pairs = checked[0]["like_for_like"]["measured"]
    click.secho("Measured here, under one protocol", bold=True)
    for pair in pairs:
        gain, low, high = ("–" if number is None else f"{number:+.1f}" for number in (pair["gain"], *pair["ci95"]))
        first, second = pair["numerator"], pair["denominator"]
        click.echo(
            f"  {pair['dataset']}, {pair['protocol']}: {first['method']} over {second['method']}, "
            f"{first['AJ']:.2f} / {second['AJ']:.2f} = {gain} % [{low}, {high}] on {pair['coverage']} clips"
        )
    if not pairs:
        click.echo(f"  {results} has no complete runs of both videogmae and gmrw on the same queries.")
    for finding in found:
        click.secho(finding["claim"], bold=True)
        click.echo(f"  {finding['verdict']}")
        if measured := finding["measured"]:
            paired, own = measured["paired"], measured["own"]
            click.echo(f"  On warp, with points that never move: AJ {paired} in place of {own}.")
        click.echo(f"  {finding['source']}")
