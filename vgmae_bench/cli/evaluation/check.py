"""`vgmae-bench check`: tests whether a tracker, a dataset or a metric satisfies its contract."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, data_alone_on_stdout, print_json, say
from vgmae_bench.errors import UserError

if TYPE_CHECKING:
    from vgmae_bench.conformance.findings import Finding

_COLOURS = {"pass": "green", "fault": "red", "info": None}


class BrokenContractError(UserError):
    """A plugin breaks its contract."""


@command(
    "vgmae-bench check lucas-kanade",
    "vgmae-bench check ./my_tracker.py:MyTracker --only half-pixel,independent",
    "vgmae-bench check videogmae --weights random --json",
    "vgmae-bench check synth --dataset-set clips=2",
    "vgmae-bench check tapvid",
)
@click.argument("thing", metavar="METHOD|DATASET|METRIC|FILE.py:NAME")
@click.option(
    "--kind",
    type=click.Choice(["tracker", "dataset", "metric"]),
    help="The kind of plugin, if its name or file does not tell.",
)
@options.weights()
@options.settings()
@options.dataset_settings
@options.data_root
@options.checkout
@options.device
@options.seed()
@click.option("--only", **options.several(), metavar="CHECK", help="Run only these checks of a tracker.")
@click.option("--frames", type=click.IntRange(min=4), default=8, metavar="T", help="Number of frames of most clips.")
@click.option("--width", type=click.IntRange(min=32), default=128, metavar="PX", help="Width of the frames in pixels.")
@options.as_json
def check(thing: str, settings: dict[str, Any], dataset_settings: dict[str, Any], as_json: bool, **rest: Any) -> None:
    """Check whether a tracker, a dataset or a metric satisfies its contract.

    No dataset is needed: trackers get textures under known motion. Each line is one finding: the fault, why it matters,
    how to fix it. Exit code 1: there is a fault.

    \b
    Checks of a tracker, for --only:
      shapes        shapes and dtypes of an ordinary result
      edges         one query, corners, one frame, odd sizes, …
      on-query      tracks lie on their queries in the query frame
      translation   tracks follow a pan
      half-pixel    pixel centres at +0.5, tested by slow zoom and rotation
      long-pan      scaling by W or by W - 1, tested by a pan through half the frame
      independent   tracks do not depend on other queries
      repeatable    the same input gives the same tracks
      backward      motion before the query
      looks-ahead   the number of later frames that a position depends on
      visibility    visible points and covered points
      inputs        the tracker leaves frames and queries unchanged
      cost          seconds and memory, with a forecast for each dataset
    """
    from tqdm import tqdm

    from vgmae_bench.api.check import check as check_thing

    bar = tqdm(disable=True if as_json else None, desc="checking", bar_format="{desc}", file=sys.stderr, leave=False)
    with data_alone_on_stdout() as data:

        def show(finding: Finding) -> None:
            verdict, rest = str(finding)[:5], str(finding)[5:]
            with tqdm.external_write_mode(file=sys.stderr):
                click.echo(click.style(verdict, fg=_COLOURS[finding.verdict]) + rest, file=data)

        report = check_thing(
            thing,
            settings=dataset_settings or settings,
            on_finding=(lambda finding: None) if as_json else show,
            begin=lambda name: bar.set_description_str(f"checking {name}"),
            **rest,
        )
    bar.close()
    if as_json:
        print_json({**vars(report), "passed": report.passed}, indent=None)
    if report.faults:
        raise BrokenContractError(report.sentence, "each is named above" if not as_json else "see `findings`")
    say(report.sentence)
