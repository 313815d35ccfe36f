"""`vgmae-bench list`: lists plugins and runs from specs and records. No method is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from vgmae_bench import plugins
from vgmae_bench.checkouts import lacking
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, print_json
from vgmae_bench.errors import BadDataError


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
    from vgmae_bench.compare.selection import HEADLINE, Row
    from vgmae_bench.evaluation.runs import all_runs

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
