"""`vgmae-bench train`: clips in, weights out."""

from __future__ import annotations

from pathlib import Path

import click

from vgmae_bench import plugins
from vgmae_bench.cli.framework import command, examples
from vgmae_bench.cli.training.job import carry_out, make_recipe, training_options


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
    from vgmae_bench.training.clips.sources import open_bank, open_clips

    plugin = plugins.find("methods", method)
    recipe = make_recipe(plugin, "trainer", config, settings)
    shape = recipe.shape(0)
    source = open_clips(
        data,
        recipe.config.seed,
        recipe.config.workers,
        images=shape.frames == 1,
        bank=lambda: open_bank(recipe.config, shape),
    )
    carry_out(plugin, recipe, source, out, device, init)
