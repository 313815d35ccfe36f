"""Configurations of trainings: TOML files of a method or of the user, and the commands to which they belong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from vgmae_bench import plugins
from vgmae_bench.config import config_of, merge, read_toml
from vgmae_bench.errors import UnknownNameError, UsageError, UserError
from vgmae_bench.settings import nest

Training = Literal["trainer", "finetuner"]

COMMANDS: dict[Training, str] = {"trainer": "train", "finetuner": "finetune"}
"""The command that uses what a method offers."""


def read_settings(plugin: plugins.Plugin, offer: Training, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a configuration, with `changes` on top.

    Arguments:
        plugin: the method.
        offer: the part of the method that needs the settings.
        name: the name of a configuration of the method, or a TOML file.
        changes: settings by name.

    Raises:
        UnknownNameError: the method has no such configuration; the message names methods that have it.
        UsageError: the file does not exist or is not TOML, or it is for another command or method, which the message names.
    """
    values = _read(plugin, offer, name)
    kind = config_of(plugins.load(plugin, offer))
    if kind is None:
        return merge(values, changes)
    try:
        values = nest(kind, values, owner=plugin.name)
    except UsageError as error:
        raise _misplaced(plugin, offer, name, values, error) from error
    try:
        return merge(values, nest(kind, changes, owner=plugin.name))
    except UsageError as error:
        others = [command for method, command in _homes(changes, plugin) if method is plugin]
        if not others:
            raise
        said = f"`{others[0]}` has {'it' if len(changes) == 1 else 'them'}, `{COMMANDS[offer]}` does not"
        raise UsageError(error.what, said, try_=error.try_) from error


def _read(plugin: plugins.Plugin, offer: Training, name: str) -> dict[str, Any]:
    if name.endswith(".toml"):
        return read_toml(Path(name))
    if found := shipped(plugin).get(name):
        return read_toml(found)
    others = [other.name for other in _others(plugin) if name in shipped(other)]
    fitting = _fitting(plugin, offer)
    raise UnknownNameError(
        f'{plugin.name} has no configuration "{name}"',
        f"{', '.join(others)} {'has' if len(others) == 1 else 'have'} one of that name"
        if others
        else plugins.did_you_mean(name, fitting) or _listed(plugin, offer, fitting),
        try_=_example(plugin, offer, name, fitting),
    )


def _misplaced(
    plugin: plugins.Plugin, offer: Training, name: str, values: Mapping[str, Any], error: UsageError
) -> UsageError:
    """The error for a configuration with settings that `offer` does not have."""
    homes = list(_homes(values, plugin))
    own = [(method, command) for method, command in homes if method is plugin]
    if not homes:
        return UsageError(f'The configuration "{name}": {error.what}', error.why, try_=error.try_)
    uses = ", ".join(f"`{command} --method {method.name}`" for method, command in own or homes)
    fitting = _fitting(plugin, offer)
    return UsageError(
        f'The configuration "{name}" is for {uses}, not for `{COMMANDS[offer]} --method {plugin.name}`',
        _listed(plugin, offer, fitting),
        try_=_example(plugin, offer, name, fitting),
    )


def _homes(values: Mapping[str, Any], first: plugins.Plugin) -> Iterator[tuple[plugins.Plugin, str]]:
    """The methods and commands that have all of these settings, `first` before others."""
    for method in [first, *_others(first)]:
        for offer, command in COMMANDS.items():
            if _has(method, offer, values):
                yield method, command


def _has(plugin: plugins.Plugin, offer: Training, values: Mapping[str, Any]) -> bool:
    """Whether what the method offers has all of these settings."""
    if not getattr(plugin.spec, offer) or plugin.missing:
        return False
    try:
        kind = config_of(plugins.load(plugin, offer))
        if kind is not None:
            nest(kind, values, owner=plugin.name)
    except UserError:
        return False
    return kind is not None


def _others(plugin: plugins.Plugin) -> list[plugins.Plugin]:
    return [other for other in plugins.installed("methods") if other.spec and other.name != plugin.name]


def shipped(plugin: plugins.Plugin) -> dict[str, Path]:
    """The configurations that a method has, by name."""
    folder = plugins.beside(plugin, plugin.spec.configs) if plugin.spec.configs else None
    return {path.stem: path for path in sorted(folder.glob("*.toml"))} if folder else {}


def _fitting(plugin: plugins.Plugin, offer: Training) -> list[str]:
    return [name for name, path in shipped(plugin).items() if _has(plugin, offer, read_toml(path))]


def _listed(plugin: plugins.Plugin, offer: Training, names: list[str]) -> str:
    files = "a file's name ends in .toml"
    return f"for `{COMMANDS[offer]}` {plugin.name} has: {', '.join(names)}; {files}" if names else files


def _example(plugin: plugins.Plugin, offer: Training, name: str, names: list[str]) -> str:
    """A command with the configuration that was probably meant."""
    likely = [other for other in names if name in other or other in name] or names
    config = min(likely, key=len, default="FILE.toml")
    return f"vgmae-bench {COMMANDS[offer]} --method {plugin.name} --config {config}"
