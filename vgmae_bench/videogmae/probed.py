"""Video-GMAE's encoder for probes; see `vgmae_bench.models.encoder.VideoEncoder`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from vgmae_bench.models.encoder import NormedEncoder
from vgmae_bench.training.recipe import untrained
from vgmae_bench.videogmae.checkpoint import load_model
from vgmae_bench.videogmae.network import SIZES, Encoder


@dataclass(frozen=True)
class ProbedConfig:
    """Settings of the encoder.

    Attributes:
        size: size of the random network that is used without weights.
    """

    size: Literal["tiny", "base", "large"] = "tiny"


class Probed(NormedEncoder[Encoder]):
    """Adapts the network's call to that of an encoder."""

    def forward(self, video: Tensor) -> Tensor:
        """See `vgmae_bench.models.encoder.VideoEncoder.__call__`."""
        return self.network.encode(video).latent


def probed(config: ProbedConfig, weights: Path | None, seed: int) -> Probed:
    """The encoder of a weights file (pretrained, with a readout, or an image MAE), or a random one.

    Random weights depend on `seed` only.

    Raises:
        WeightsError: the file is damaged, or holds other weights.
    """
    if weights is not None:
        return encoder_of(load_model(weights)[0])
    return encoder_of(untrained(lambda: Encoder(SIZES[config.size]), seed))


def encoder_of(model: Encoder) -> Probed:
    """The encoder of a model. The model can have further parts."""
    shape = model.config
    with torch.device("meta"):
        encoder = Encoder(shape)
    wanted = encoder.state_dict()
    encoder.load_state_dict({name: value for name, value in model.state_dict().items() if name in wanted}, assign=True)
    encoder.cls_token.requires_grad_(shape.position != "pos3d")  # "pos3d" has it in the state dict, but does not use it
    return Probed(encoder, shape)
