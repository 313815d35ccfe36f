"""Common parts of `train` and `finetune`: options, and the final message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from vgmae_bench import plugins
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import say

if TYPE_CHECKING:
    from vgmae_bench.api.training import Trained


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--method, --config, --out, --set, --device and --log-to."""
    for option in (
        options.device,
        options.settings(
            "A setting of the training; repeatable. See: vgmae-bench show M --settings train (or finetune)"
        ),
        options.out("Folder of the training.", required=True),
        click.option(
            "--config", required=True, metavar="NAME|FILE", help="A configuration of the method, or a TOML file."
        ),
        options.method("A trainable method. See: vgmae-bench list methods"),
        click.option(
            "--log-to",
            multiple=True,
            type=click.Choice(["tensorboard", "wandb"]),
            help="Also send the log to this service; repeatable. Needs the extra with the same name.",
        ),
    ):
        command = option(command)
    return command


def tell(plugin: plugins.Plugin, trained: Trained) -> None:
    """Print where the weights are and how to use them."""
    if trained.last:
        click.echo(f"{trained.weights}: {trained.last['step']:.0f} steps, loss {trained.last['loss']:.5g}")
        used = "run --dataset synth" if plugin.spec.tracker else "explore IMAGE --out explored"
        say(f"Next: vgmae-bench {used} --method {plugin.name} --weights {trained.weights}")
