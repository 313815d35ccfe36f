"""`vgmae-bench claims`: checks the headline numbers of Video-GMAE, and tells findings about evaluators of others."""

from __future__ import annotations

from pathlib import Path

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, print_json


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
    from vgmae_bench.errors import UnknownNameError

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
            click.echo(
                f"  On warp, with points that never move: AJ {measured['paired']} in place of {measured['own']}."
            )
        click.echo(f"  {finding['source']}")
