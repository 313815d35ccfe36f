"""`vgmae-bench doctor`: does everything that a run needs work on this machine?"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import click

from vgmae_bench import plugins
from vgmae_bench.cli import examples, options


@click.command(epilog=examples("vgmae-bench doctor", "vgmae-bench doctor --json"))
@options.data_root
@options.as_json
def doctor(data_root: Path | None, as_json: bool) -> None:
    """Check this installation: versions, devices, splatting back ends, plugins, datasets, folders."""
    import torch

    from vgmae_bench import provenance, splatting
    from vgmae_bench.data import root as roots

    root = roots.data_root(data_root)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    report: dict[str, dict[str, Any]] = {
        "versions": {
            key: value for key, value in provenance.collect(device).items() if key not in ("packages", "commit")
        }
        | dict(provenance.collect(device)["packages"]),  # type: ignore[arg-type]  # a mapping of names to versions
        "splatting": {name: state.sentence for name, state in splatting.status().items()},
        "plugins": {
            f"{kind[:-1]} {plugin.name}": _state(plugin)
            for kind in ("trackers", "datasets", "metrics")
            for plugin in plugins.installed(kind)  # type: ignore[arg-type]  # one of the three kinds
        },
        "datasets": {
            plugin.name: "embedded" if plugin.spec.embedded else f"{len(roots.locate(plugin.spec, root))} files"
            for plugin in plugins.installed("datasets")
            if plugin.spec
        },
        "folders": {"data root": str(root), "cache": str(roots.cache_folder())},
        "optional": {
            "tapnet (to check our metrics against)": "there"
            if importlib.util.find_spec("tapnet")
            else "not installed; not needed to run"
        },
    }
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    for section, lines in report.items():
        click.secho(section, bold=True)
        width = max((len(name) for name in lines), default=0)
        for name, value in lines.items():
            click.echo(f"  {name:<{width}}  {value}")


def _state(plugin: plugins.Plugin) -> str:
    """Where a plugin comes from and whether its factory can be imported."""
    origin = f"{plugin.distribution} {plugin.version}".strip()
    if plugin.error:
        return f"broken, from {origin}: {plugin.error}"
    if plugin.missing:
        return f"needs {', '.join(plugin.missing)} ({plugin.spec.install}), from {origin}"
    try:
        plugins.load(plugin)
    except plugins.PluginError as error:
        return f"broken, from {origin}: {error.why}"
    return f"works, from {origin}"
