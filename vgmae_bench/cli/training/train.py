"""`vgmae-bench train`: trains a method on clips."""

from __future__ import annotations

from typing import Any

import click

from vgmae_bench import plugins
from vgmae_bench.cli.framework import command
from vgmae_bench.cli.options import FILE
from vgmae_bench.cli.training.job import tell, training_options
from vgmae_bench.provenance import command_line


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
    "--init",
    type=FILE,
    help="Weights to start from. Tensors that do not fit are left out and listed.",
)
def train(method: str, config: str, data: tuple[str, ...], **options: Any) -> None:
    """Train a method, or continue the training in the folder --out.

    The folder holds weights.safetensors, log.csv, curve.png, record.json, pictures, and a checkpoint. The same command
    again continues from the checkpoint, even after a kill, and gives the same weights (on the CPU, with the same number
    of threads). Several processes share the work if torchrun or SLURM starts them. They divide each batch among them.
    """
    from vgmae_bench.api.training import train as train_method

    trained = train_method(method, config, data, command=command_line(), **options)
    tell(plugins.find("methods", method), trained)
