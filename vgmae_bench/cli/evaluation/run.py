"""`vgmae-bench run`: tracks datasets with methods and scores the tracks."""

from __future__ import annotations

import itertools
import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import DEBUG, command, data_alone_on_stdout, print_json, say, say_method
from vgmae_bench.errors import IncompleteError, UsageError

if TYPE_CHECKING:
    from vgmae_bench.api.evaluate import Job, Outcome
    from vgmae_bench.api.run import Run
    from vgmae_bench.evaluation.run import Plan

_COMMON = ("data_root", "limit", "ask", "device", "figures", "allow_nonfinite")
"""The options that all runs share, with the names that `evaluate_all` has for them. A sweep file replaces most others."""


@command(
    "vgmae-bench run --method lucas-kanade --dataset synth --limit 4",
    "vgmae-bench run --method videogmae,gmrw --dataset synth,warp --query-mode first,strided --limit 1",
    "vgmae-bench run --method videogmae --dataset davis --query-mode strided --set variant=flow",
    "vgmae-bench run --method ./my_tracker.py:MyTracker --dataset synth --json",
    "vgmae-bench run --method lucas-kanade --dataset davis --input-size 384x512",
    "vgmae-bench run sweep.toml",
    "vgmae-bench run --method videogmae --dataset kinetics --shard 2/8",
)
@click.argument("sweep", required=False, type=click.Path(path_type=Path), metavar="[SWEEP.toml]")
@options.method(**options.several(), required=False)
@options.dataset(**options.several(), required=False)
@options.query_mode(**options.several(click.Choice(["first", "strided"])), metavar="first|strided")
@options.protocol(**options.several())
@click.option(
    "--input-size",
    metavar="HxW",
    help="Size of the frames that methods get: another protocol, with its own name.  [default: as the protocol says]",
)
@options.weights(**options.several())
@options.settings()
@options.dataset_settings
@options.data_root
@options.write_results
@click.option("--name", metavar="NAME", help="The run's name in tables.  [default: the method with its weights]")
@options.limit("Predict only the first N clips.")
@click.option("--shard", metavar="I/N", help="Predict every N-th clip only, as one of N processes or machines.")
@options.ask
@options.checkout
@options.device
@options.seed(**options.several(click.INT), default=None, show_default="0", metavar="N")
@click.option(
    "--redo",
    type=click.Choice(["predictions", "metrics", "all"]),
    help="Do this again. Without it, clips that were predicted before are kept.",
)
@options.figures
@click.option("--allow-nonfinite", is_flag=True, help="Keep positions that are not finite. They count as wrong.")
@options.as_json
def run(sweep: Path | None, out: Path, shard: str | None, redo: str | None, as_json: bool, **rest: Any) -> None:
    """Track datasets with methods, and score the tracks.

    Several methods, datasets, query modes, protocols, weights or seeds (separated by commas, or repeated options) give a
    run for every combination. SWEEP.toml lists them with their settings:

    \b
        datasets = ["synth", "warp"]
        protocols = ["tapvid-first", "tapvid-strided"]
        [[methods]]
        name = "videogmae"
        settings = { precision = "float32" }
        grid = { variant = ["flow", "anchors"] }      # one run for each
        [[methods]]
        name = "lucas-kanade"
        label = "LK"                                  # its name in tables

    Predictions are kept, one file per clip. The same command again continues where it stopped. Several processes
    may execute the same command at once, or share the clips with --shard. A clip or a run that fails does not end the
    others; the exit code is then 3.
    """
    from vgmae_bench.api.evaluate import evaluate_all
    from vgmae_bench.evaluation.run import parse_shard, shard_from_environment
    from vgmae_bench.provenance import command_line

    common = {name: rest.pop(name) for name in _COMMON}
    jobs = _jobs(sweep, **rest)
    common["shard"] = parse_shard(shard) if shard else shard_from_environment()
    common |= {"out": out, "redo": redo or "nothing", "command": command_line()}
    outcomes: list[Outcome] = []
    with data_alone_on_stdout():
        for outcome in evaluate_all(jobs, on_plan=lambda plan: _say_plan(plan, redo), **common):
            if outcome.error is not None and len(jobs) == 1:
                raise outcome.error
            if outcome.error is not None and os.environ.get(DEBUG):
                traceback.print_exception(outcome.error)
            if outcome.run is not None:
                summary = outcome.run.summary
                say(f"tracking took {summary.seconds:.1f} s; peak memory {summary.peak_memory_mb or 0:.0f} MB")
                if os.environ.get(DEBUG) and (failed := outcome.run.path / "first_failure.txt").is_file():
                    say(failed.read_text(encoding="utf-8"))
            outcomes.append(outcome)
    if as_json:
        print_json(_as_json(outcomes), indent=None)
    else:
        _print([outcome.run for outcome in outcomes if outcome.run], out)
    _complain(outcomes)


def _jobs(sweep: Path | None, name: str | None, input_size: str | None, **grid: Any) -> list[Job]:
    """The requested runs.

    Raises:
        UsageError: options are missing or contradict each other, or a name is unknown.
    """
    from vgmae_bench.api.evaluate import Job, check_jobs, read_sweep
    from vgmae_bench.evaluation import protocols

    if sweep is not None:
        for key, value in {**grid, "name": name, "input_size": input_size}.items():
            if value:
                option = {"settings": "set", "dataset_settings": "dataset-set"}.get(key, key.replace("_", "-"))
                raise UsageError(f"--{option} cannot be combined with a sweep file", f"{sweep} defines it")
        return read_sweep(sweep)
    for key in ("method", "dataset"):
        if not grid[key]:
            raise UsageError(
                f"Missing option --{key}", "a run needs a method and a dataset", try_="vgmae-bench run --help"
            )
    pairs = itertools.product(grid["protocol"] or (None,), grid["query_mode"] or (None,))
    asked = [protocols.find(protocol, mode) for protocol, mode in pairs]
    if input_size is not None:
        asked = [protocols.with_input(protocol, protocols.parse_size(input_size)) for protocol in asked]
    chosen = list(dict.fromkeys(protocol.name for protocol in asked))
    jobs = [
        Job(method, dataset, protocol, weights, grid["settings"], grid["dataset_settings"], seed, name)
        for dataset in grid["dataset"]
        for protocol in chosen
        for method in grid["method"]
        for weights in grid["weights"] or (None,)
        for seed in grid["seed"] or (0,)
    ]
    if name and len(jobs) > 1:
        raise UsageError(
            f"--name is for one run, and these are {len(jobs)}", "a sweep file has a label for each method"
        )
    if len(jobs) > 1:
        check_jobs(jobs)
    return jobs


def _say_plan(plan: Plan, redo: str | None) -> None:
    used, share, left = plan.record.dataset, len(plan.share), len(plan.open_clips)
    published = f" of {used.published_clips} published" if used.published_clips else ""
    say_method(plan.record.method, plan.method.device)
    say(f"dataset   {used.name}, {len(plan.dataset.ids)} clips{published}")
    say(f"protocol  {plan.record.protocol_sentence}")
    if notice := plan.record.method.notice:
        say(f"licence   {notice}")
    say(f"folder    {plan.folder.path}")
    if redo in (None, "metrics"):
        say(f"to do     {left if redo is None else 0} clips of {share}; {share - left} are predicted already")
    else:
        say(f"to do     {share} clips, again")


def _as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One run as it is; several as a list, beside those that failed."""
    runs = [{"run": str(outcome.run.path), **vars(outcome.run.summary)} for outcome in outcomes if outcome.run]
    if len(outcomes) == 1:
        return runs[0]
    failed = [{"run": str(outcome.job), "error": outcome.told} for outcome in outcomes if outcome.run is None]
    return {"runs": runs, "failed": failed}


def _print(runs: Sequence[Run], out: Path) -> None:
    """Print one table per protocol and dataset, the runs' folders, and the next command."""
    from vgmae_bench.compare.selection import by_protocol
    from vgmae_bench.compare.tables import print_table

    rows = [run.row for run in {run.path: run for run in runs}.values()]
    for group in by_protocol(rows):
        print_table(group)
        click.echo()
    if not rows:
        return
    datasets = list(dict.fromkeys(row.record.dataset.name for row in rows))
    click.echo(f"Results: {rows[0].run.path if len(rows) == 1 else out}")
    filters = f" --dataset {datasets[0]}" * (len(datasets) == 1) + f" --results {out}" * (out != options.RESULTS)
    click.echo(f"Next:    vgmae-bench table{filters}")


def _complain(outcomes: Sequence[Outcome]) -> None:
    """Raise IncompleteError unless every clip of every run was predicted."""
    bad = [outcome for outcome in outcomes if outcome.told]
    if not bad:
        return
    again = "the same command again, which tries only those clips"
    if len(outcomes) > 1:
        text = "; ".join(f"{outcome.job}: {outcome.told}" for outcome in bad)
        raise IncompleteError(f"{len(bad)} of {len(outcomes)} runs are not complete", text, try_=again)
    assert bad[0].run is not None  # its error was raised
    first = next(iter(bad[0].run.summary.failures.values()))
    raise IncompleteError(bad[0].told, f"the averages leave them out and are marked incomplete; {first}", try_=again)
