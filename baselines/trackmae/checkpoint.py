"""Weights files of TrackMAE and VideoMAE; see `vgmae_bench.models.weights_file`.

Kinds and the objects in their configuration: "trackmae" with "network", "heads" and "trained", "trackmae-classifier" with
"network" and "classes", "trackmae-readout" with "network" and "readout"; "source" in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vgmae_bench.config import Json
from vgmae_bench.errors import UsageError
from vgmae_bench.models.readout import ReadoutConfig
from vgmae_bench.models.weights_file import Weights, load_weights, save_weights

from .network import Classifier, Encoder, EncoderConfig, Heads, NetworkConfig, TrackMAE
from .readout import ReadoutTracker
from .targets.motion import MotionConfig

PRETRAINED, CLASSIFIER, READOUT = "trackmae", "trackmae-classifier", "trackmae-readout"


@dataclass(frozen=True)
class Trained(MotionConfig):
    """Settings of a training that users of the weights need.

    Attributes:
        mask_ratio: share of hidden tubes.

    Raises:
        UsageError: mask_ratio is not between 0 and 1.
    """

    mask_ratio: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.mask_ratio < 1:
            raise UsageError("mask_ratio must be between 0 and 1", f"it is {self.mask_ratio}")


class Model(NamedTuple):
    """The content of a weights file.

    Attributes:
        network: the network in evaluation mode on the CPU.
        trained: settings of pretraining; None for other models.
        source: origin of the weights.
    """

    network: TrackMAE | Classifier | ReadoutTracker
    trained: Trained | None
    source: Json

    @property
    def encoder(self) -> Encoder:
        """The encoder. That of a classifier has no last norm."""
        return self.network if isinstance(self.network, Classifier) else self.network.encoder


def save_model(path: Path, network: TrackMAE, trained: Trained, source: Json) -> None:
    """Write a weights file. Raises StorageError if that fails."""
    sections = {"network": network.config, "heads": network.heads, "trained": trained, "source": source}
    save_weights(path, network.state_dict(), PRETRAINED, sections)


def load_model(path: Path) -> Model:
    """The model of a weights file.

    Raises:
        WeightsError: the file is damaged, or holds another model.
    """
    weights = load_weights(path, method="trackmae", kinds=(PRETRAINED, CLASSIFIER, READOUT))
    trained = weights.section("trained", Trained) if weights.kind == PRETRAINED else None
    return Model(weights.network(lambda: _network(weights)), trained, weights.config.get("source"))


def _network(weights: Weights) -> TrackMAE | Classifier | ReadoutTracker:
    if weights.kind == PRETRAINED:
        return TrackMAE(weights.section("network", NetworkConfig), weights.section("heads", Heads))
    shape = weights.section("network", EncoderConfig)
    if weights.kind == READOUT:
        return ReadoutTracker(shape, weights.section("readout", ReadoutConfig))
    return Classifier(shape, len(weights.tensors.get("head.bias", ())))
