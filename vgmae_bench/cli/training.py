"""`vgmae-bench train`, `finetune` and `import-weights`: make the weights of a method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vgmae_bench import plugins
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, say
from vgmae_bench.provenance import command_line

if TYPE_CHECKING:
    from vgmae_bench.api.training import Trained


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--method, --config, --out, --set, --device and --log-to."""
    for option in (
        options.device,
        options.settings(
            "A setting of the training; repeatable. See: vgmae-bench show M --settings train (or finetune)"
        ),
        options.out("Folder of the training.", required=True),
        click.option(
            "--config", required=True, metavar="NAME|FILE", help="A configuration of the method, or a TOML file."
        ),
        options.method("A trainable method. See: vgmae-bench list methods"),
        click.option(
            "--log-to",
            multiple=True,
            type=click.Choice(["tensorboard", "wandb"]),
            help="Also send the log to this service; repeatable. Needs the extra with the same name.",
        ),
    ):
        command = option(command)
    return command


@command(
    "vgmae-bench train --method videogmae --config tiny --data synth --out trained/tiny",
    "vgmae-bench train --method videogmae --config small --data synth=3 --data ./videos --out trained/mixed",
    "vgmae-bench train --method videogmae --config tiny --data synth --out trained/t2 --set steps=200 --set lr=2e-4",
    "vgmae-bench train --method gmae --config tiny --data synth --out trained/gmae",
    "torchrun --nproc_per_node 8 -m vgmae_bench train --method videogmae --config paper-base --data ./k400 --out run",
)
@training_options
@click.option(
    "--data",
    required=True,
    multiple=True,
    metavar="SOURCE[=WEIGHT]",
    help="synth, or a folder of videos (images for an image model). Repeatable; NAME=3 gives triple weight.",
)
@click.option(
    "--init", type=options.FILE, help="Weights to start from. Tensors that do not fit are left out and listed."
)
def train(method: str, **asked: Any) -> None:
    """Train a method, or continue the training in the folder --out.

    The folder holds weights.safetensors, log.csv, curve.png, record.json, pictures, and a checkpoint. The same command
    again continues from the checkpoint, even after a kill, and gives the same weights (on the CPU, with the same number
    of threads). Several processes share the work if torchrun or SLURM starts them. They divide each batch among them.
    """
    from vgmae_bench.api import training

    _tell(method, training.train(method, command=command_line(), **asked))


@command(
    "vgmae-bench finetune --method videogmae --config finetune-tiny --weights trained/tiny/weights.safetensors "
    "--data synth --out trained/readout",
    "vgmae-bench finetune --method videogmae --config finetune-paper --weights base.safetensors --data davis "
    "--out trained/full --set freeze_scope=none",
    "vgmae-bench finetune --method videomae --config finetune-tiny --weights random --data synth --out trained/floor",
)
@training_options
@options.weights(
    "Weights of the encoder: a file that `train` wrote, or random (its size: --set size=…).", required=True
)
@click.option("--data", required=True, metavar="D", help="A dataset with tracks. See: vgmae-bench list datasets")
@options.dataset_settings
@options.data_root
def finetune(method: str, **asked: Any) -> None:
    """Teach a pretrained encoder to track, or continue the training in the folder --out.

    A readout on top of the encoder learns from clips with known tracks. The encoder stays frozen or learns too. The
    folder has the same files as that of `train`. Use its weights with: vgmae-bench run --weights.
    """
    from vgmae_bench.api import training

    _tell(method, training.finetune(method, command=command_line(), **asked))


def _tell(method: str, trained: Trained) -> None:
    """Print where the weights are and how to use them."""
    plugin = plugins.find("methods", method)
    if trained.last:
        click.echo(f"{trained.weights}: {trained.last['step']:.0f} steps, loss {trained.last['loss']:.5g}")
        used = "run --dataset synth" if plugin.spec.tracker else "explore IMAGE --out explored"
        say(f"Next: vgmae-bench {used} --method {plugin.name} --weights {trained.weights}")


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
        say(f"note: {note}")
    reasons: dict[str, list[str]] = {}
    for key, why in imported.dropped:
        reasons.setdefault(why, []).append(key)
    for why, keys in reasons.items():
        shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
        say(f"left out: {shown}: {why}")
    numbers = sum(tensor.numel() for tensor in imported.tensors.values())
    click.echo(f"{out}: {len(imported.tensors)} tensors, {numbers:,} numbers")
    used = "run --dataset synth --weights" if plugin.spec.tracker else "train --config NAME --data DIR --out DIR --init"
    say(f"Next: vgmae-bench {used} {out} --method {method}")
