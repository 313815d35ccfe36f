"""The encoder of TrackMAE and VideoMAE for probes; see `vgmae_bench.models.encoder.VideoEncoder`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vgmae_bench.models.encoder import NormedEncoder
from vgmae_bench.training.recipe import untrained

from .checkpoint import load_model
from .network import SIZES, Encoder


@dataclass(frozen=True)
class ProbedConfig:
    """Settings of the encoder.

    Attributes:
        size: size of the random network that is used without weights.
    """

    size: Literal["tiny", "small", "base", "large"] = "tiny"


def probed(config: ProbedConfig, weights: Path | None, seed: int) -> NormedEncoder[Encoder]:
    """The encoder of a weights file (pretrained or fine-tuned), or a random encoder that depends on `seed` only.

    Raises:
        WeightsError: the file is damaged, or holds other weights.
    """
    encoder = load_model(weights).encoder if weights else untrained(lambda: Encoder(SIZES[config.size]), seed)
    return NormedEncoder(encoder, encoder.config)
