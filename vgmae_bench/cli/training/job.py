"""What `train` and `finetune` have in common: options, settings, and the training itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from vgmae_bench import plugins
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import say
from vgmae_bench.config import call_with, config_of, merge, parse_assignments, read_toml
from vgmae_bench.errors import UnknownNameError
from vgmae_bench.settings import nest

if TYPE_CHECKING:
    from vgmae_bench.training.recipe import B, Recipe, Source


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


def make_recipe(
    plugin: plugins.Plugin,
    offer: Literal["trainer", "finetuner"],
    config: str,
    settings: Sequence[str],
    **given: Any,
) -> Recipe[Any, Any]:
    """The recipe that a plugin makes of a configuration and of settings that take precedence over it.

    Raises:
        UsageError: the method does not learn this way, or the settings are wrong.
    """
    factory = plugins.load(plugin, offer)
    config_class = config_of(factory)
    changes = parse_assignments(settings)
    values = read_config(plugin, config)
    if config_class is not None:
        values, changes = (nest(config_class, each, owner=plugin.name) for each in (values, changes))
    recipe, _ = call_with(factory, merge(values, changes), owner=plugin.name, **given)
    made: Recipe[Any, Any] = recipe
    return made


def carry_out(
    plugin: plugins.Plugin, recipe: Recipe[Any, B], source: Source[B], out: Path, device: str, init: Path | None
) -> None:
    """Train, from where the folder `out` is, and say where the weights are and what to do with them."""
    from vgmae_bench.evaluation.method import resolve_device
    from vgmae_bench.provenance import command_line
    from vgmae_bench.training.loop import Job, train

    job = Job(plugin.name, recipe, source, out, resolve_device(device), init, command_line(sys.argv[1:]))
    last = train(job, say)
    if last:
        weights = out / "weights.safetensors"
        click.echo(f"{weights}: {last['step']:.0f} steps, loss {last['loss']:.5g}")
        used = "run --dataset synth" if plugin.spec.tracker else "explore IMAGE --out explored"
        say(f"Next: vgmae-bench {used} --method {plugin.name} --weights {weights}")


def read_config(plugin: plugins.Plugin, name: str) -> dict[str, Any]:
    """The settings of a TOML file, or of a configuration that the method ships."""
    if name.endswith(".toml"):
        return read_toml(Path(name))
    folder = plugins.beside(plugin, plugin.spec.configs) if plugin.spec.configs else None
    shipped = {path.stem: path for path in sorted(folder.glob("*.toml"))} if folder else {}
    if name not in shipped:
        raise UnknownNameError(
            f'{plugin.name} has no configuration "{name}"',
            plugins.did_you_mean(name, shipped) or f"there are: {', '.join(shipped)}; a file's name ends in .toml",
        )
    return read_toml(shipped[name])
