"""What `train` and `finetune` have in common: options, settings, and the training itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vgmae_bench import plugins
from vgmae_bench.config import call_with, parse_assignments, read_toml
from vgmae_bench.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from vgmae_bench.training.recipe import B, Recipe, Source

Command = TypeVar("Command", bound=Callable[..., Any])


def training_options(command: Command) -> Command:
    """--method, --config, --out, --set and --device."""
    for option in (
        click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting; repeatable."),
        click.option(
            "--out",
            required=True,
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder of the training.",
        ),
        click.option("--config", required=True, metavar="NAME|FILE", help="A configuration of it, or a TOML file."),
        click.option(
            "--method", required=True, metavar="M", help="A method that learns. See: vgmae-bench list methods"
        ),
    ):
        command = option(command)
    return command


def make_recipe(
    plugin: plugins.Plugin, reference: str, config: str, settings: Sequence[str], **offers: Any
) -> Recipe[Any]:
    """The recipe that a plugin's `trainer` or `finetuner` makes of a configuration and of settings on top of it.

    Raises:
        UsageError: there is none, or the settings are wrong.
    """
    if not reference:
        raise UsageError(f"{plugin.name} does not learn this way", "", try_="vgmae-bench list methods")
    values = {**_read_config(plugin, config), **parse_assignments(settings)}
    recipe, _ = call_with(plugins.load_reference(plugin, reference), values, owner=plugin.name, **offers)
    made: Recipe[Any] = recipe
    return made


def carry_out(
    plugin: plugins.Plugin, recipe: Recipe[B], source: Source[B], out: Path, device: str, init: Path | None
) -> None:
    """Train, from where the folder `out` is, and say where the weights are and what to do with them."""
    from vgmae_bench.evaluation.method import resolve_device
    from vgmae_bench.provenance import command_line
    from vgmae_bench.training.loop import Job, train

    def say(text: str) -> None:
        click.echo(text, err=True)

    job = Job(plugin.name, recipe, source, out, resolve_device(device), init, command_line(sys.argv[1:]))
    last = train(job, say)
    if last:
        weights = out / "weights.safetensors"
        click.echo(f"{weights}: {last['step']:.0f} steps, loss {last['loss']:.5g}")
        used = "run --dataset synth" if plugin.spec.factory else "explore IMAGE --out explored"
        say(f"Next: vgmae-bench {used} --method {plugin.name} --weights {weights}")


def _read_config(plugin: plugins.Plugin, name: str) -> Mapping[str, Any]:
    """The settings of a TOML file, or of a configuration that the method ships."""
    if name.endswith(".toml"):
        return read_toml(Path(name))
    shipped = {path.stem: path for path in sorted(plugins.beside(plugin, plugin.spec.configs).glob("*.toml"))}
    if name not in shipped:
        raise UnknownNameError(
            f'{plugin.name} has no configuration "{name}"',
            plugins.did_you_mean(name, shipped) or f"there are: {', '.join(shipped)}; a file's name ends in .toml",
        )
    return read_toml(shipped[name])
