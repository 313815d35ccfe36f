"""Fine-tuning of TrackMAE and VideoMAE for tracking: Video-GMAE's readout and recipe on their encoder."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import torch

from vgmae_bench.models.readout_recipe import FinetuneConfig, ReadoutRecipe, named_size, take_encoder
from vgmae_bench.models.weights_file import load_weights

from .checkpoint import CLASSIFIER, READOUT, Model, load_model
from .readout import ReadoutTracker
from .sizes import SIZES, EncoderConfig
from .tracker import TrackMAEConfig, TrackMAETracker


def finetuning(config: FinetuneConfig, weights: Path | None) -> Finetuning:
    """The fine-tuning recipe for the encoder of a weights file, or for a random encoder if `weights` is None.

    The file can hold a pretrained model, a classifier, or an encoder with a readout.

    Raises:
        WeightsError: the file is damaged, or holds other weights.
        UsageError: the readout does not fit the encoder, or there is no such size.
    """
    network = named_size(SIZES, config.size) if weights is None else load_model(weights).encoder.config
    encoder = EncoderConfig(**{field.name: getattr(network, field.name) for field in fields(EncoderConfig)})
    return Finetuning(config, encoder)


class Finetuning(ReadoutRecipe[ReadoutTracker]):
    """The fine-tuning recipe of TrackMAE and VideoMAE.

    Arguments:
        encoder: shape of the encoder.
    """

    def __init__(self, config: FinetuneConfig, encoder: EncoderConfig) -> None:
        super().__init__(config, lambda: ReadoutTracker(encoder, config.readout), encoder, READOUT)

    def init_from(self, weights: Path) -> list[str]:
        """See `take_encoder`. A classifier's encoder has no last norm; it then normalises without scale and shift."""
        given = load_weights(weights, method="trackmae")
        if given.kind == CLASSIFIER:
            tensors = {f"encoder.{name}": value for name, value in given.tensors.items()}
            width = self.network.encoder.config.embed_dim
            norm = {"encoder.norm.weight": torch.ones(width), "encoder.norm.bias": torch.zeros(width)}
            given = given._replace(tensors=tensors | norm)
        return take_encoder(self.network, given)

    def tracker(self, device: str) -> TrackMAETracker:
        """See `vgmae_bench.training.recipe.Recipe.tracker`."""
        return TrackMAETracker(TrackMAEConfig(), Model(self.network, None, None), device, seed=0)
