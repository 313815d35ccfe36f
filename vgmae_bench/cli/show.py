"""`vgmae-bench list` and `show`: plugins and runs, read from specs and records. `list` imports no method."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from pathlib import Path
from typing import Any, cast

import click

from vgmae_bench import plugins
from vgmae_bench.api.configurations import shipped
from vgmae_bench.checkouts import lacking
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, json_text, print_json
from vgmae_bench.config import config_of
from vgmae_bench.errors import BadDataError, UnknownNameError, UsageError, UserError
from vgmae_bench.settings import describe_settings
from vgmae_bench.specs import RemoteWeights

_USES = {
    "run": ("tracker", "explorer", "encoder", "factory"),
    "train": ("trainer",),
    "finetune": ("finetuner",),
    "prepare": ("preparer",),
}
"""The uses that have settings, each with the parts of a SPEC that can serve it. `run` includes images with an image model."""
_OFFERS = {
    "tracker": "tracks points (run, track)",
    "explorer": "analyses single images (explore, spatial)",
    "encoder": "gives features (probe)",
    "trainer": "can be trained (train)",
    "finetuner": "can be fine-tuned to track (finetune)",
}
_WIDTH = 118
_NOT_SHOWN = {"name", "summary", "factory", "preparer", "unusable"}


@command("vgmae-bench list methods", "vgmae-bench list datasets --json", "vgmae-bench list runs", name="list")
@click.argument("what", type=click.Choice([*plugins.GROUPS, "runs"]))
@options.results
@options.as_json
def list_(what: str, results: Path, as_json: bool) -> None:
    """List methods, datasets, metrics or runs."""
    entries = _runs(results) if what == "runs" else [_entry(plugin) for plugin in plugins.installed(cast(Any, what))]
    if as_json:
        print_json(entries)
        return
    if not entries:
        click.echo(f"No {what} in {results}." if what == "runs" else f"No {what}.", err=True)
    width = max((len(entry["name"]) for entry in entries), default=0)
    for entry in entries:
        line = f"{entry['name']:<{width}}  {entry['summary']}"
        click.secho(line + (f"  [{entry['unusable']}]" if entry["unusable"] else ""), dim=bool(entry["unusable"]))


def _entry(plugin: plugins.Plugin) -> dict[str, Any]:
    unusable = plugin.error or lacking(plugin).partition(". Try: ")[0]
    return {
        "name": plugin.name,
        "summary": plugin.spec.summary if plugin.spec else f"from {plugin.distribution}",
        "unusable": unusable or None,
        "distribution": plugin.origin,
    }


def _runs(results: Path) -> list[dict[str, Any]]:
    from vgmae_bench.compare.row import HEADLINE, Row
    from vgmae_bench.evaluation.store import all_runs

    entries: list[dict[str, Any]] = []
    for run in all_runs(results):
        unusable: str | None = None
        try:
            record, summary = run.record(), run.summary()
        except BadDataError as error:
            text, unusable = error.what, error.why
        else:
            scores = "not scored yet"
            if summary:
                row = Row(run, record, summary)
                scores = ", ".join(f"{label} {row.values(metric)[0]:.2f}" for metric, label in HEADLINE.items())
                scores += f", clips {row.clips}"
            text = f"{record.method.name} on {record.dataset.name}, {record.protocol.name}: {scores}"
        entries.append({"name": run.path.name, "summary": text, "unusable": unusable, "distribution": str(run.path)})
    return entries


@command(
    "vgmae-bench show videogmae",
    "vgmae-bench show videogmae --settings train",
    "vgmae-bench show davis",
    "vgmae-bench show results/reference/synth-tapvid-first/zero-motion/453c1652",
)
@click.argument("name", metavar="NAME|RUN")
@click.option("--settings", "use", type=click.Choice(list(_USES)), help="List all settings for this use, one per line.")
@options.results
@options.as_json
def show(name: str, use: str | None, results: Path, as_json: bool) -> None:
    """Show a method, a dataset, a metric, or a run.

    A run is given by its folder or by the first digits of its key.
    """
    for kind in plugins.GROUPS:
        named = [plugin for plugin in plugins.installed(kind) if plugin.name == name]
        if named or (kind == "methods" and plugins.is_file_reference(name)):
            # Without its requirements, a method still shows its licence and its weights.
            unusable = named and named[0].spec and named[0].missing and not use
            plugin = named[0] if unusable else plugins.find(kind, name)
            click.echo(_settings_text(plugin, use, as_json) if use else _plugin_text(plugin, as_json))
            return
    if use:
        raise UsageError(
            f'"{name}" is neither a method nor a dataset', "only these have settings", try_="vgmae-bench list methods"
        )
    _show_run(name, results, as_json)


def _settings(plugin: plugins.Plugin, use: str) -> dict[str, dict[str, Any]]:
    """The settings of a plugin for a use, see `describe_settings`.

    Raises:
        UsageError: the plugin has no such use.
        PluginError: it cannot be imported.
    """
    parts = {use: [getattr(plugin.spec, part, None) for part in names] for use, names in _USES.items()}
    references = {use: next(filter(None, found), None) for use, found in parts.items()}
    reference = references[use]
    if not reference:
        uses = ", ".join(other for other, given in references.items() if given)
        raise UsageError(f'{plugin.name} has no settings for "{use}"', f"it has them for: {uses}")
    config_class = config_of(plugins.load_reference(plugin, reference))
    return describe_settings(config_class) if config_class else {}


def _settings_text(plugin: plugins.Plugin, use: str, as_json: bool) -> str:
    """All settings for a use, one per line."""
    settings = _settings(plugin, use)
    if as_json:
        return json_text(settings)
    option = "--dataset-set" if isinstance(plugin.spec, plugins.DatasetSpec) else "--set"
    title = f"{plugin.name}: {len(settings)} settings for {use}, each with {option} NAME=VALUE"
    return "\n".join([title, *setting_lines(settings)])


def _plugin_text(plugin: plugins.Plugin, as_json: bool) -> str:
    """A plugin on one screen."""
    spec = plugin.spec
    known = {key: value for key, value in dataclasses.asdict(spec).items() if value not in ("", (), {}, None, False)}
    known["from"] = plugin.origin
    settings: dict[str, dict[str, Any]] = {}
    try:
        if not isinstance(spec, plugins.MetricSpec):
            settings = _settings(plugin, "run")
    except UserError as error:
        known["unusable"] = error.reason
    if needed := lacking(plugin):
        known["unusable"] = needed
    if as_json:
        return json_text(known | {"settings": settings})
    is_method = isinstance(spec, plugins.MethodSpec)
    lines = [spec.name, *_wrap(spec.summary, "  ", "  "), ""]
    plain = {label.replace("_", " "): value for label, value in known.items() if label not in _NOT_SHOWN}
    facts = _method_facts(plugin) if is_method else plain
    facts["cannot be used"] = known.get("unusable")
    for label, value in facts.items():
        if value:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            lines += _wrap(text, f"{label:<15} ", " " * 16)
    wanted = spec.key_settings if is_method else ()
    named = {path: settings[path] for name in wanted for path in settings if name in (path, path.rpartition(".")[2])}
    shown = named or (dict(list(settings.items())[:8]) if is_method else settings)
    if shown:
        more = len(settings) - len(shown)
        rest = f" ({more} more: vgmae-bench show {spec.name} --settings run)" if more else ""
        option = "--set" if is_method else "--dataset-set"
        lines += ["", f"{option} NAME=VALUE{rest}", *setting_lines(shown, short=True)]
    if next_ := _next(spec):
        lines += ["", f"Next: {next_}"]
    return "\n".join(lines)


def _method_facts(plugin: plugins.Plugin) -> dict[str, Any]:
    spec = plugin.spec
    names = [_weights_name(spec, name, known) for name, known in spec.weights.items()]
    imports = f"official checkpoints: vgmae-bench import-weights FILE --method {spec.name} --out FILE"
    return {
        "offers": [text for offer, text in _OFFERS.items() if getattr(spec, offer)],
        "weights": "; ".join(filter(None, [", ".join(names), imports if spec.importer else ""])) or "none",
        "configs": list(shipped(plugin)),
        "direction": "forward in time; before a query, on the reversed clip" if spec.looks_forward else "",
        "asked": "one query per call, because queries influence each other (--ask)" if spec.queries == "joint" else "",
        "licence": spec.licence,
        "notice": spec.notice,
        "runs": f"a checkout of {spec.checkout}" if spec.checkout else "",
        "paper": spec.paper,
        "cite": spec.citation,
        "from": plugin.origin,
    }


def _weights_name(spec: plugins.MethodSpec, name: str, known: str | RemoteWeights) -> str:
    """A name of weights with remarks in brackets: "base (default, fetched, licence: not stated)"."""
    marks = ["default"] * (name == spec.default_weights)
    if isinstance(known, RemoteWeights):
        marks += ["fetched"] + [f"licence: {known.licence}"] * bool(known.licence)
    return f"{name} ({', '.join(marks)})" if marks else name


def _next(spec: Any) -> str:
    """A command to try; empty for metrics."""
    if isinstance(spec, plugins.DatasetSpec):
        return f"vgmae-bench run --method lucas-kanade --dataset {spec.name}"
    if getattr(spec, "tracker", None):
        return f"vgmae-bench run --method {spec.name} --dataset synth"
    return f"vgmae-bench explore IMAGE --method {spec.name} --out explored" if getattr(spec, "explorer", None) else ""


def _wrap(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def setting_lines(settings: dict[str, dict[str, Any]], *, short: bool = False) -> list[str]:
    """Settings, one per line: value, choices, description. `short` cuts descriptions to one clause and lines to the width."""
    assigned = {path: f"{path} = {_typed(known['default'])}" for path, known in settings.items()}
    first = min(max(map(len, assigned.values()), default=0), 40)
    second = min(max((len(known["choices"]) for known in settings.values()), default=0), 34)
    lines = []
    for path, known in settings.items():
        about = re.split(r"[;:.](?:\s|$)", known["about"])[0] if short else known["about"]  # the first clause
        line = f"  {assigned[path]:<{first}}  {known['choices']:<{second}}  {about}".rstrip()
        lines.append(f"{line[: _WIDTH - 1]}…" if short and len(line) > _WIDTH else line)
    return lines


def _typed(value: Any) -> str:
    """A value as it is typed after `--set`."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json_text(value, indent=None)


def _show_run(name: str, results: Path, as_json: bool) -> None:
    from vgmae_bench.compare.row import Row, facts
    from vgmae_bench.compare.tables import print_table
    from vgmae_bench.evaluation.store import find_run

    try:
        run = find_run(results, name)
    except UnknownNameError as error:
        known = [plugin.name for kind in plugins.GROUPS for plugin in plugins.installed(kind)]
        raise UnknownNameError(
            f'There is no method, dataset, metric or run "{name}"',
            plugins.did_you_mean(name, known) or error.why,
            try_="vgmae-bench list methods",
        ) from error
    record, summary = run.record(), run.summary()
    if as_json:
        print_json({"run": str(run.path), "record": record, "summary": summary})
        return
    if summary:
        print_table([Row(run, record, summary)])
        click.echo()
        for metric, value in summary.metrics.items():
            mean, (low, high) = value.mean, value.ci95
            interval = f"  [{low:.4f}, {high:.4f}]" if None not in (low, high) else ""
            click.echo(f"{metric:<28} {'–' if mean is None else format(mean, '.4f')}{interval}")
        click.echo()
    for notice in summary.notices if summary else ():
        click.echo(f"notice     {notice}")
    for label, text in {"folder": run.path, **facts(record, summary)}.items():
        click.echo(f"{label:<10} {text}")
