"""`vgmae-bench data`: what datasets there are, whether they are whole, where they lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from vgmae_bench import plugins
from vgmae_bench.cli import examples, options
from vgmae_bench.errors import BadDataError


@click.group(
    epilog=examples(
        "vgmae-bench data list", "vgmae-bench data verify davis", "vgmae-bench data path davis --data-root ~/tapvid"
    )
)
def data() -> None:
    """Look after the datasets."""


@data.command("list", epilog=examples("vgmae-bench data list", "vgmae-bench data list --json"))
@options.data_root
@options.as_json
def list_(data_root: Path | None, as_json: bool) -> None:
    """List the datasets, and whether their files are there."""
    from vgmae_bench.data import root as roots

    root = roots.data_root(data_root)
    entries: list[dict[str, Any]] = []
    for plugin in plugins.installed("datasets"):
        if plugin.spec is None:
            entries.append({"name": plugin.name, "state": f"broken: {plugin.error}", "summary": "", "files": []})
            continue
        files = [] if plugin.spec.embedded else [str(path) for path in roots.locate(plugin.spec, root)]
        state = "embedded" if plugin.spec.embedded else "there" if files else "missing"
        entries.append({"name": plugin.name, "state": state, "summary": plugin.spec.summary, "files": files})
    if as_json:
        click.echo(json.dumps({"root": str(root), "datasets": entries}, ensure_ascii=False, indent=2))
        return
    click.echo(f"Data root: {root}")
    width = max((len(entry["name"]) for entry in entries), default=0)
    for entry in entries:
        click.echo(f"{entry['name']:<{width}}  {entry['state']:<9} {entry['summary']}")


@data.command(epilog=examples("vgmae-bench data verify davis", "vgmae-bench data verify synth"))
@click.argument("dataset")
@options.data_root
def verify(dataset: str, data_root: Path | None) -> None:
    """Hash every file, open every clip, decode every frame. Downloads nothing."""
    from vgmae_bench.data.verify import verify as check

    findings = check(dataset, data_root)
    for finding in findings:
        click.echo(f"{finding.severity}: {finding.where}: {finding.fault}")
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        raise BadDataError(f"{dataset} has {errors} faults", "listed above")
    click.echo(f"{dataset} is in order.")


@data.command(epilog=examples("vgmae-bench data path davis", "vgmae-bench data path kinetics --data-root ~/tapvid"))
@click.argument("dataset")
@options.data_root
def path(dataset: str, data_root: Path | None) -> None:
    """Print the files of a dataset; where they belong, if they are not there."""
    from vgmae_bench.data.root import data_root as resolve
    from vgmae_bench.data.verify import paths

    spec = plugins.find("datasets", dataset).spec
    if spec.embedded:
        click.echo(f"{dataset} needs no files.", err=True)
        return
    found = paths(dataset, data_root)
    for file in found:
        click.echo(file)
    if not found:
        click.echo(f"{dataset} is not here yet; it belongs at:", err=True)
        click.echo(resolve(data_root) / spec.location)
