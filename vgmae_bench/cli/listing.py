"""`vgmae-bench list` and `show`: what there is, read from specs and records, without importing a single method."""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from pathlib import Path
from typing import Any

import click

from vgmae_bench import plugins
from vgmae_bench.cli import examples, options
from vgmae_bench.errors import UnknownNameError, UserError

KINDS: dict[str, plugins.Kind] = {"methods": "trackers", "datasets": "datasets", "metrics": "metrics"}


@click.command(
    "list",
    epilog=examples("vgmae-bench list methods", "vgmae-bench list datasets --json", "vgmae-bench list runs"),
)
@click.argument("what", type=click.Choice([*KINDS, "runs"]))
@options.results
@options.as_json
def list_(what: str, out: Path, as_json: bool) -> None:
    """List methods, datasets, metrics or runs."""
    entries = _runs(out) if what == "runs" else [_entry(plugin) for plugin in plugins.installed(KINDS[what])]
    if as_json:
        click.echo(json.dumps(entries, ensure_ascii=False, indent=2))
        return
    if not entries:
        click.echo(f"No {what} in {out}." if what == "runs" else f"No {what}.", err=True)
    width = max((len(entry["name"]) for entry in entries), default=0)
    for entry in entries:
        line = f"{entry['name']:<{width}}  {entry['summary']}"
        click.secho(line + (f"  [{entry['unusable']}]" if entry["unusable"] else ""), dim=bool(entry["unusable"]))


@click.command(
    epilog=examples("vgmae-bench show videogmae", "vgmae-bench show davis", "vgmae-bench show 3f2a91c0 --json")
)
@click.argument("name", metavar="NAME|RUN")
@options.results
@options.as_json
def show(name: str, out: Path, as_json: bool) -> None:
    """Show all about a method, a dataset, a metric, or a run (its folder, or the first digits of its key)."""
    for kind in KINDS.values():
        if any(plugin.name == name for plugin in plugins.installed(kind)) or ".py:" in name:
            described = _describe(plugins.find(kind, name))
            click.echo(json.dumps(described, ensure_ascii=False, indent=2) if as_json else _text(described))
            return
    _show_run(name, out, as_json)


def _entry(plugin: plugins.Plugin) -> dict[str, Any]:
    unusable = plugin.error
    if plugin.missing:
        unusable = f"needs {', '.join(plugin.missing)}: {plugin.spec.install}"
    return {
        "name": plugin.name,
        "summary": plugin.spec.summary if plugin.spec else f"from {plugin.distribution}",
        "unusable": unusable or None,
        "distribution": f"{plugin.distribution} {plugin.version}".strip(),
    }


def _runs(out: Path) -> list[dict[str, Any]]:
    from vgmae_bench.compare.selection import HEADLINE, Row
    from vgmae_bench.evaluation.record import all_runs, read_summary

    entries = []
    for run in all_runs(out):
        record, summary = run.read_json("record.json"), read_summary(run)
        identity = record["identity"]
        told = "not scored yet"
        if summary:
            row = Row(run, record, summary)
            scores = ", ".join(f"{label} {row.values(metric)[0]:.2f}" for metric, label in HEADLINE.items())
            told = f"{scores}, clips {row.clips}"
        where = f"{identity['dataset']}, {identity['protocol']['name']}"
        entries.append(
            {
                "name": run.path.name,
                "summary": f"{identity['method']} on {where}: {told}",
                "unusable": None,
                "distribution": str(run.path),
            }
        )
    return entries


def _describe(plugin: plugins.Plugin) -> dict[str, Any]:
    """The spec, where it comes from, and, once the factory is imported, the settings with their defaults."""
    described: dict[str, Any] = {
        key: value for key, value in dataclasses.asdict(plugin.spec).items() if value not in ("", (), {}, None, False)
    }
    described["distribution"] = f"{plugin.distribution} {plugin.version}".strip()
    try:
        for part, name in (
            ("factory", "settings"),
            ("trainer", "train_settings"),
            ("finetuner", "finetune_settings"),
            ("explorer", "explore_settings"),
            ("preparer", "prepare_settings"),
        ):
            if reference := getattr(plugin.spec, part, ""):
                described |= _settings(plugins.load_reference(plugin, reference), name)
    except UserError as error:
        described["unusable"] = f"{error.what}. {error.why}"
    return described


def _settings(factory: Any, name: str) -> dict[str, Any]:
    """The settings that a factory takes, as `name`, and what they mean, as `name`_help; nothing where it takes none."""
    target = factory.__init__ if inspect.isclass(factory) else factory
    settings = typing.get_type_hints(target).get("config")
    if settings is None:
        return {}
    annotations = typing.get_type_hints(settings)
    known = {
        field.name: {"default": _default(field), "values": _values(annotations[field.name])}
        for field in dataclasses.fields(settings)
    }
    told = [inspect.getdoc(part) or "" for part in settings.__mro__ if dataclasses.is_dataclass(part)]
    return {name: known, f"{name}_help": "\n\n".join(told)}


def _default(field: dataclasses.Field[Any]) -> Any:
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return str(default) if isinstance(default, Path) else default


def _values(annotation: Any) -> str:
    """What a setting can be, in words: "causal | bidirectional", "int", "float | none"."""
    if annotation is type(None):
        return "none"
    choices = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return " | ".join(map(str, choices))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " | ".join(map(_values, choices))
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _text(described: dict[str, Any]) -> str:
    described = dict(described)
    sections = [
        (described.pop(key, {}), described.pop(f"{key}_help", ""), title)
        for key, title in (
            ("settings", "Settings (--set key=value, for a dataset --dataset-set key=value):"),
            ("train_settings", "Settings of train (--set key=value):"),
            ("finetune_settings", "Settings of finetune (--set key=value):"),
            ("explore_settings", "Settings of explore and spatial (--set key=value):"),
            ("prepare_settings", "Settings of data prepare (--dataset-set key=value):"),
        )
    ]
    lines = [f"{key:<15} {_plain(value)}" for key, value in described.items()]
    for settings, told, title in sections:
        if settings:
            lines += ["", title]
            width = max(len(f"{name} = {json.dumps(known['default'])}") for name, known in settings.items())
            for name, known in settings.items():
                lines.append(f"  {f'{name} = ' + json.dumps(known['default']):<{width}}  {known['values']}")
            lines += ["", told]
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _show_run(name: str, out: Path, as_json: bool) -> None:
    from vgmae_bench.compare.selection import load_runs
    from vgmae_bench.compare.tables import print_table
    from vgmae_bench.evaluation.record import find_run, read_summary

    try:
        run = find_run(out, name)
    except UnknownNameError as error:
        known = [plugin.name for kind in KINDS.values() for plugin in plugins.installed(kind)]
        raise UnknownNameError(
            f'There is no method, dataset, metric or run "{name}"',
            plugins.did_you_mean(name, known) or error.why,
            try_="vgmae-bench list methods",
        ) from error
    record, summary = run.read_json("record.json"), read_summary(run)
    if as_json:
        click.echo(
            json.dumps({"run": str(run.path), "record": record, "summary": summary}, ensure_ascii=False, indent=2)
        )
        return
    if summary:
        print_table(load_runs([run]))
        click.echo()
        for metric, value in summary["metrics"].items():
            mean, (low, high) = value["mean"], value["ci95"]
            interval = f"  [{low:.4f}, {high:.4f}]" if None not in (low, high) else ""
            click.echo(f"{metric:<28} {'–' if mean is None else format(mean, '.4f')}{interval}")
        click.echo()
    identity = record["identity"]
    last = record["sessions"][-1]
    for label, value in (
        ("folder", run.path),
        ("settings", json.dumps(identity["method_config"])),
        ("weights", f"{record.get('weights_name')} {identity['weights']}" if identity["weights"] else "none"),
        (
            "commit",
            last["commit"] and f"{last['commit']['id']}{' with local changes' if last['commit']['dirty'] else ''}",
        ),
        ("device", last["device"]),
        ("command", last["command"]),
    ):
        click.echo(f"{label:<10} {value}")
