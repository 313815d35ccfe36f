"""`vgmae-bench probe`: trains a classifier of actions on an encoder and reports its accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, print_json, say
from vgmae_bench.errors import IncompleteError


@command(
    "vgmae-bench probe --method videogmae --data synth-actions --out probed/tiny",
    "vgmae-bench probe --method trackmae --weights random --data synth-actions --mode finetune --out probed/random",
    "vgmae-bench probe --method videomae --weights base.safetensors --data ./hmdb --out probed/hmdb",
    "vgmae-bench probe --method trackmae --weights base.safetensors --data k400/train.csv --test k400/val.csv "
    "--videos ./k400 --out probed/k400",
    "vgmae-bench probe --list-settings",
)
@options.method("A method with an encoder, or file.py:Class. See: vgmae-bench list methods", required=False)
@options.weights()
@click.option(
    "--mode",
    type=click.Choice(["linear", "finetune"]),
    default="linear",
    help="Train a linear layer on frozen features, or fine-tune the whole encoder.",
)
@click.option(
    "--data",
    metavar="D",
    help="synth-actions, a folder with one sub-folder of videos per class (or train/ and test/ with these), or a list "
    "of training videos: Kinetics' CSV, Something-Something V2's JSON, or lines with path and label.",
)
@click.option("--test", type=options.FILE, help="The list of test videos, if --data is a list.")
@click.option(
    "--videos",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the listed videos.  [default: the list's own]",
)
@options.out("Folder for the probe's weights, answers and scores.")
@options.settings("A setting of the probing; repeatable. See: vgmae-bench probe --list-settings")
@options.settings("A setting of the encoder; repeatable.", "--encoder-set", "encoder_settings")
@options.dataset_settings
@options.device
@click.option("--list-settings", is_flag=True, help="List the settings of --set, --encoder-set and --dataset-set.")
@options.as_json
def probe(
    method: str | None, data: str | None, out: Path | None, device: str, list_settings: bool, as_json: bool, **rest: Any
) -> None:
    """Classify actions with an encoder's features: linear probing, or fine-tuning.

    Features are computed once and cached. The same command again continues where it stopped. The folder --out gets
    weights.safetensors, record.json, log.csv, and for the test result.json, answers.csv and confusion.png.
    """
    if list_settings:
        click.echo(_settings(method))
        return
    for name, value in (("method", method), ("data", data), ("out", out)):
        if value is None:
            raise click.UsageError(f"Missing option '--{name}'.")
    assert method is not None and data is not None and out is not None
    from vgmae_bench.downstream.actions.probe import execute, make_plan
    from vgmae_bench.downstream.actions.report import print_result
    from vgmae_bench.downstream.actions.videos import open_actions
    from vgmae_bench.evaluation.method import resolve_device
    from vgmae_bench.provenance import command_line

    videos = {"test": rest.pop("test"), "videos": rest.pop("videos"), "settings": rest.pop("dataset_settings")}
    actions = open_actions(data, **videos)
    where = resolve_device(device)
    plan = make_plan(method=method, actions=actions, out=out, device=where, command=command_line(), **rest)
    say(f"encoder   {plan.probed.label}, {plan.device}")
    counts = f"{len(actions.train.ids)} videos to learn from, {len(actions.test.ids)} to test"
    say(f"data      {actions.name}, {len(actions.classes)} classes, {counts}")
    if any(actions.missing):
        say(f"missing   {actions.missing[0]} and {actions.missing[1]} videos that the lists name are not there")
    say(f"protocol  {plan.mode}, {plan.config.steps} steps; {plan.sentence}")
    say(f"folder    {out}")
    result = execute(plan)
    if not result:
        return
    if as_json:
        print_json(result, indent=None)
    else:
        print_result(result)
        click.echo(f"\nResults: {out}/result.json, answers.csv, confusion.png")
    if failed := result["videos"]["skipped"]:
        raise IncompleteError(
            f"{failed} videos could not be tested",
            "the accuracies leave them out; " + next(iter(result["failures"].values())),
        )


def _settings(method: str | None) -> str:
    """All settings with their defaults and descriptions."""
    from vgmae_bench import plugins
    from vgmae_bench.cli.show import setting_lines
    from vgmae_bench.config import config_of
    from vgmae_bench.data.synth.actions import SynthActionsConfig
    from vgmae_bench.downstream.actions.probe import SETTINGS
    from vgmae_bench.settings import describe_settings

    kinds: dict[str, Any] = {f"--set, --mode {mode}": kind for mode, kind in SETTINGS.items()}
    kinds["--dataset-set, --data synth-actions"] = SynthActionsConfig
    if method is not None and (plugin := plugins.find("methods", method)).spec.encoder:
        kinds[f"--encoder-set, --method {method}"] = config_of(plugins.load(plugin, "encoder"))
    parts = ("\n".join([f"{title}:", *setting_lines(describe_settings(kind))]) for title, kind in kinds.items() if kind)
    return "\n\n".join(parts)
