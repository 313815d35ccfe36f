"""`vgmae-bench train`: clips in, weights out."""

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
    help="synth, or a folder of videos or, for an image model, images. Repeatable: mixed in proportion to the weights.",
)
@click.option(
    "--init",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Weights to start from; what does not fit is left out and named.",
)
def train(
    method: str,
    config: str,
    data: tuple[str, ...],
    out: Path,
    settings: tuple[str, ...],
    init: Path | None,
    device: str,
) -> None:
    """Train a method, or go on with the training that is in the folder --out.

    The folder holds weights.safetensors, log.csv, curve.png, record.json, pictures, and a checkpoint. The same command
    again goes on from the checkpoint, after a kill at any moment, to the same weights (on the CPU, with as many threads).
    Several processes share the work when torchrun or SLURM start them; the batch is divided among them.
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
    )
    tell(plugins.find("methods", method), trained)
