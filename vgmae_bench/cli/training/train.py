"""`vgmae-bench train`: trains a method on clips."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from vgmae_bench import plugins
from vgmae_bench.cli.framework import command, examples
from vgmae_bench.cli.training.job import tell, training_options
from vgmae_bench.config import parse_assignments
from vgmae_bench.provenance import command_line


@command(
    epilog=examples(
        "vgmae-bench train --method videogmae --config tiny --data synth --out trained/tiny",
        "vgmae-bench train --method videogmae --config small --data synth=3 --data ./videos --out trained/mixed",
        "vgmae-bench train --method videogmae --config tiny --data synth --out trained/t2 --set steps=200 --set lr=2e-4",
        "vgmae-bench train --method gmae --config tiny --data synth --out trained/gmae",
        "torchrun --nproc_per_node 8 -m vgmae_bench train --method videogmae --config paper-base --data ./k400 --out run",
    )
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
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Weights to start from. Tensors that do not fit are left out and listed.",
)
def train(
    method: str,
    config: str,
    data: tuple[str, ...],
    out: Path,
    settings: tuple[str, ...],
    init: Path | None,
    device: str,
    log_to: tuple[str, ...],
) -> None:
    """Train a method, or continue the training in the folder --out.

    The folder holds weights.safetensors, log.csv, curve.png, record.json, pictures, and a checkpoint. The same command
    again continues from the checkpoint, even after a kill, and gives the same weights (on the CPU, with the same number
    of threads). Several processes share the work if torchrun or SLURM starts them. They divide each batch among them.
    """
    from vgmae_bench.api.training import train as train_method

    trained = train_method(
        method,
        config,
        data,
        out=out,
        settings=parse_assignments(settings),
        init=init,
        device=device,
        command=command_line(sys.argv[1:]),
        log_to=log_to,
    )
    tell(plugins.find("methods", method), trained)
