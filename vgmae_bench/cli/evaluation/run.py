"""`vgmae-bench run`: names in, scores out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, examples, say
from vgmae_bench.config import parse_assignments, to_json
from vgmae_bench.errors import IncompleteError


@command(
    epilog=examples(
        "vgmae-bench run --method lucas-kanade --dataset synth --limit 4",
        "vgmae-bench run --method videogmae --dataset davis --query-mode strided --set variant=flow",
        "vgmae-bench run --method ./my_tracker.py:MyTracker --dataset synth --json",
        "vgmae-bench run --method videogmae --dataset kinetics --shard 2/8",
    )
)
@options.method()
@options.dataset()
@options.query_mode
@options.protocol
@options.weights()
@options.settings()
@options.dataset_settings
@options.data_root
@options.write_results
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Predict only the first N clips.")
@click.option("--shard", metavar="I/N", help="Predict every N-th clip only, as one of N processes or machines.")
@options.device
@options.seed()
@click.option(
    "--redo",
    type=click.Choice(["predictions", "metrics", "all"]),
    help="Do again what is there already; predictions are otherwise kept and the run goes on from them.",
)
@options.figures
@options.as_json
def run(
    method: str,
    dataset: str,
    query_mode: str | None,
    protocol: str | None,
    weights: str | None,
    settings: tuple[str, ...],
    dataset_settings: tuple[str, ...],
    data_root: Path | None,
    out: Path,
    limit: int | None,
    shard: str | None,
    device: str,
    seed: int,
    redo: str | None,
    figures: int,
    as_json: bool,
) -> None:
    """Track a dataset with a method and score the tracks.

    Predictions are kept, one file a clip: a run that was stopped goes on where it was, and several processes or machines
    may share one with --shard. The same command run twice only scores again.
    """
    from vgmae_bench.compare.selection import load_runs
    from vgmae_bench.compare.tables import print_table
    from vgmae_bench.evaluation.run import Redo, execute, parse_shard, plan, shard_from_environment
    from vgmae_bench.provenance import command_line

    planned = plan(
        method,
        dataset,
        query_mode=cast(Any, query_mode),
        protocol=protocol,
        weights=weights,
        settings=parse_assignments(settings),
        dataset_settings=parse_assignments(dataset_settings),
        data_root=data_root,
        out=out,
        limit=limit,
        shard=parse_shard(shard) if shard else shard_from_environment(say=say),
        device=device,
        seed=seed,
    )
    total, share, left = len(planned.dataset.ids), len(planned.share), len(planned.open_clips)
    used = planned.record.dataset
    say(f"method    {planned.record.method.name}, weights: {planned.method.provided_by}, {planned.method.device}")
    say(
        f"dataset   {used.name}, {total} clips"
        + (f" of {used.published_clips} published" if used.published_clips else "")
    )
    say(f"protocol  {planned.sentence}")
    say(f"folder    {planned.folder.path}")
    if redo in (None, "metrics"):
        say(f"to do     {left if redo is None else 0} clips of {share}; {share - left} are predicted already")
    else:
        say(f"to do     {share} clips, again")

    command = command_line(sys.argv[1:])
    summary = execute(planned, redo=cast(Redo, redo or "nothing"), figures=figures, command=command, say=say)

    if as_json:
        click.echo(json.dumps({"run": str(planned.folder.path), **vars(summary)}, ensure_ascii=False, default=to_json))
    else:
        print_table(load_runs([planned.folder]))
        click.echo(
            f"\nResults: {planned.folder.path}\nNext:    vgmae-bench table --dataset {used.name}"
            + (f" --results {out}" if out != Path("results") else "")
        )
    say(f"tracking took {summary.seconds:.1f} s; peak memory {summary.peak_memory_mb or 0:.0f} MB")
    failed = summary.clips.failed
    if failed:
        raise IncompleteError(
            f"{failed} of {total} clips failed",
            "the averages leave them out and are marked incomplete; " + next(iter(summary.failures.values())),
            try_="the same command again, which tries only those clips",
        )
