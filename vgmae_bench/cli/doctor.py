"""`vgmae-bench doctor`: checks whether everything that a run needs works on this machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import click

from vgmae_bench import plugins
from vgmae_bench.checkouts import lacking
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, print_json
from vgmae_bench.errors import PluginError


@command("vgmae-bench doctor", "vgmae-bench doctor --json")
@options.data_root
@options.as_json
def doctor(data_root: Path | None, as_json: bool) -> None:
    """Check this installation: versions, devices, splatting back ends, plugins, datasets, folders."""
    import torch

    from vgmae_bench import provenance, splatting
    from vgmae_bench.data.files import root as roots
    from vgmae_bench.files import cache_folder

    root = roots.data_root(data_root)
    known = provenance.collect("cuda" if torch.cuda.is_available() else "cpu")
    report: dict[str, dict[str, Any]] = {
        "machine": {key: known[key] for key in ("vgmae_bench", "python", "platform", "device")},
        "packages": provenance.versions(),
        "splatting": {
            name: state.detail if state.usable else f"not usable: {state.detail}"
            for name, state in splatting.status().items()
        },
        "plugins": {
            f"{kind[:-1]} {plugin.name}": _state(plugin)
            for kind in plugins.GROUPS
            for plugin in plugins.installed(kind)
        },
        "datasets": {
            plugin.name: "embedded" if plugin.spec.embedded else f"{len(roots.locate(plugin.spec, root))} files"
            for plugin in plugins.installed("datasets")
            if plugin.spec
        },
        "folders": {"data root": str(root), "cache": str(cache_folder())},
        "optional": {
            "tapnet (to check our metrics against)": "there"
            if importlib.util.find_spec("tapnet")
            else "not installed; not needed to run"
        },
    }
    if as_json:
        print_json(report)
        return
    for section, lines in report.items():
        click.secho(section, bold=True)
        width = max((len(name) for name in lines), default=0)
        for name, value in lines.items():
            click.echo(f"  {name:<{width}}  {value}")


def _state(plugin: plugins.Plugin) -> str:
    """Where a plugin comes from and whether its factory can be imported."""
    if plugin.error:
        return f"broken, from {plugin.origin}: {plugin.error}"
    if needed := lacking(plugin):
        return f"{needed.partition('. Try: ')[0]}, from {plugin.origin}"
    try:
        offers = ("tracker", "explorer", "encoder") if isinstance(plugin.spec, plugins.MethodSpec) else ("factory",)
        for reference in filter(None, (getattr(plugin.spec, offer) for offer in offers)):
            plugins.load_reference(plugin, reference)
    except PluginError as error:
        return f"broken, from {plugin.origin}: {error.why}"
    return f"works, from {plugin.origin}"
