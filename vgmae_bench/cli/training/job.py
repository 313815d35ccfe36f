"""What `train` and `finetune` have in common: options, and what they say at the end."""

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
    """--method, --config, --out, --set and --device."""
    for option in (
        options.device,
        options.settings("A setting of the training; repeatable. See: vgmae-bench show M --settings train"),
        options.out("Folder of the training.", required=True),
        click.option(
            "--config", required=True, metavar="NAME|FILE", help="A configuration of the method, or a TOML file."
        ),
        options.method("A method that learns. See: vgmae-bench list methods"),
    ):
        command = option(command)
    return command


def tell(plugin: plugins.Plugin, trained: Trained) -> None:
    """Say where the weights are and what to do with them."""
    if trained.last:
        click.echo(f"{trained.weights}: {trained.last['step']:.0f} steps, loss {trained.last['loss']:.5g}")
        used = "run --dataset synth" if plugin.spec.tracker else "explore IMAGE --out explored"
        say(f"Next: vgmae-bench {used} --method {plugin.name} --weights {trained.weights}")
