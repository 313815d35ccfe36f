"""GMAE's encoder for probes; see `vgmae_bench.models.encoder.VideoEncoder`."""

from __future__ import annotations

from pathlib import Path

from vgmae_bench.gmae.checkpoint import KIND, open_model
from vgmae_bench.models.weights_file import load_weights
from vgmae_bench.videogmae import checkpoint as video
from vgmae_bench.videogmae.probed import Probed, ProbedConfig, encoder_of


def probed(config: ProbedConfig, weights: Path | None, seed: int) -> Probed:
    """The encoder of GMAE weights or of weights of an image MAE. Without weights: a random encoder that depends on `seed` only.

    Weights of an image MAE must have been imported with num_frames=1 to encode images.

    Raises:
        WeightsError: the file is damaged, or holds other weights.
    """
    if weights is not None and load_weights(weights, method="gmae").kind != KIND:
        return encoder_of(video.load_model(weights)[0])
    return encoder_of(open_model(weights, config.size, seed).network)
