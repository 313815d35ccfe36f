"""`vgmae-bench import-weights`: converts official checkpoints to safetensors without executing anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vgmae_bench import plugins
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command


@command(
    "vgmae-bench import-weights zeroshot_checkpoint.ckpt --method videogmae --out videogmae-b.safetensors",
    "vgmae-bench import-weights odd.ckpt --method videogmae --set num_heads=6 --out odd.safetensors",
    name="import-weights",
)
@click.argument("file", type=options.FILE)
@options.method("The method that the official checkpoint FILE belongs to.")
@options.out_file(".safetensors")
@options.settings("A setting that the checkpoint does not contain, such as num_heads; repeatable.")
def import_weights(file: Path, method: str, out: Path, settings: dict[str, Any]) -> None:
    """Convert the official checkpoint FILE to safetensors with the configuration inside.

    Nothing in the checkpoint is executed. The command lists everything that it leaves out, with the reason.
    """
    plugin = plugins.find("methods", method)
    importer = plugins.load(plugin, "importer")
    imported = importer(file, out, settings)
    for note in imported.notes:
        click.echo(f"note: {note}", err=True)
    reasons: dict[str, list[str]] = {}
    for key, why in imported.dropped:
        reasons.setdefault(why, []).append(key)
    for why, keys in reasons.items():
        shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
        click.echo(f"left out: {shown}: {why}", err=True)
    click.echo(
        f"{out}: {len(imported.tensors)} tensors, {sum(tensor.numel() for tensor in imported.tensors.values()):,} numbers"
    )
    used = "run --dataset synth --weights" if plugin.spec.tracker else "train --config NAME --data DIR --out DIR --init"
    click.echo(f"Next: vgmae-bench {used} {out} --method {method}", err=True)
