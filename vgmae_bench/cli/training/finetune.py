"""`vgmae-bench finetune`: trains a readout on an encoder with clips that have tracks."""

from __future__ import annotations

from typing import Any

import click

from vgmae_bench import plugins
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command
from vgmae_bench.cli.training.job import tell, training_options
from vgmae_bench.provenance import command_line


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
def finetune(method: str, config: str, data: str, **options: Any) -> None:
    """Teach a pretrained encoder to track, or continue the training in the folder --out.

    A readout on top of the encoder learns from clips with known tracks. The encoder stays frozen or learns too. The
    folder has the same files as that of `train`. Use its weights with: vgmae-bench run --weights.
    """
    from vgmae_bench.api.training import finetune as finetune_method

    trained = finetune_method(method, config, data, command=command_line(), **options)
    tell(plugins.find("methods", method), trained)
