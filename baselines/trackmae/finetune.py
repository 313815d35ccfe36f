"""Fine-tuning of TrackMAE and VideoMAE for tracking: Video-GMAE's readout and recipe on their encoder."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import torch

from vgmae_bench.config import Json
from vgmae_bench.models.readout import ReadoutConfig
from vgmae_bench.models.readout_recipe import FinetuneConfig, ReadoutRecipe, named_size, take_encoder
from vgmae_bench.models.weights_file import load_weights, save_weights

from .checkpoint import CLASSIFIER, READOUT, Model, load_model
from .readout import ReadoutTracker
from .sizes import SIZES, EncoderConfig
from .tracker import TrackMAEConfig, TrackMAETracker


def finetuning(config: FinetuneConfig, weights: Path | None) -> ReadoutRecipe[ReadoutTracker]:
    """The fine-tuning recipe for the encoder of a weights file, or for a random encoder if `weights` is None.

    The file can hold a pretrained model, a classifier, or an encoder with a readout.

    Raises:
        WeightsError: the file is damaged, or holds other weights.
        UsageError: the readout does not fit the encoder, or there is no such size.
    """
    network = named_size(SIZES, config.size) if weights is None else load_model(weights).encoder.config
    encoder = EncoderConfig(**{field.name: getattr(network, field.name) for field in fields(EncoderConfig)})
    return ReadoutRecipe(config, TrackMAEHost(encoder))


class TrackMAEHost:
    """TrackMAE's and VideoMAE's encoder; see `vgmae_bench.models.readout_recipe.Host`."""

    def __init__(self, network: EncoderConfig) -> None:
        self.network = network

    def build(self, readout: ReadoutConfig) -> ReadoutTracker:
        """See `vgmae_bench.models.readout_recipe.Host.build`."""
        return ReadoutTracker(self.network, readout)

    def init_from(self, model: ReadoutTracker, weights: Path) -> list[str]:
        """See `take_encoder`. A classifier's encoder has no last norm; it then normalises without scale and shift."""
        given = load_weights(weights, method="trackmae")
        if given.kind == CLASSIFIER:
            tensors = {f"encoder.{name}": value for name, value in given.tensors.items()}
            width = self.network.embed_dim
            norm = {"encoder.norm.weight": torch.ones(width), "encoder.norm.bias": torch.zeros(width)}
            given = given._replace(tensors=tensors | norm)
        return take_encoder(model, given, weights)

    def export(self, model: ReadoutTracker, readout: ReadoutConfig, path: Path, source: Json) -> None:
        """See `vgmae_bench.models.readout_recipe.Host.export`."""
        save_weights(path, model.state_dict(), READOUT, {"network": self.network, "readout": readout, "source": source})

    def tracker(self, model: ReadoutTracker, device: str) -> TrackMAETracker:
        """See `vgmae_bench.models.readout_recipe.Host.tracker`."""
        return TrackMAETracker(TrackMAEConfig(), Model(model, None, None), device, seed=0)
