"""Weights files of Video-GMAE's models; see `vgmae_bench.models.weights_file`.

Their configuration has "network", "source" and, depending on the kind, "readout" and "activation".
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import nn

from vgmae_bench.models.readout import ReadoutConfig
from vgmae_bench.models.weights_file import Weights, load_weights, take_what_fits
from vgmae_bench.videogmae.gaussians.gaussians import Activation
from vgmae_bench.videogmae.network import Encoder, NetworkConfig, VideoGMAE
from vgmae_bench.videogmae.readout import ReadoutTracker

KINDS = ("videogmae", "videogmae-readout", "mae-encoder")


class Model(NamedTuple):
    """A network, and how to track with it.

    Attributes:
        activation: turns the network's outputs into Gaussians.
        tiles: see `vgmae_bench.videogmae.tracker.VideoGMAEConfig`.
    """

    network: Encoder
    activation: Activation
    tiles: int = 1


def load_model(path: Path) -> tuple[Encoder, Weights]:
    """The model of a weights file, in evaluation mode on the CPU, and the file's content.

    Raises:
        WeightsError: the file is damaged, or does not hold one of Video-GMAE's models.
    """
    weights = load_weights(path, method="videogmae", kinds=KINDS)
    network = weights.section("network", NetworkConfig)
    readout = weights.section("readout", ReadoutConfig) if "readout" in weights.config else None
    return weights.network(lambda: make_model(weights.kind, network, readout)), weights


def start_from(model: nn.Module, weights: Path) -> list[str]:
    """Copy the matching tensors of a weights file to a new model; see `vgmae_bench.models.weights_file.take_what_fits`.

    The file can hold Video-GMAE, GMAE or an image MAE. Their encoders have the same parameters.
    """
    given = load_weights(weights, method="videogmae")
    return take_what_fits(model, given.tensors, f"{weights.name} ({given.kind})")


def make_model(kind: str, network: NetworkConfig, readout: ReadoutConfig | None) -> Encoder:
    """A newly initialised model of one of `KINDS`."""
    if kind == "videogmae":
        return VideoGMAE(network)
    if readout is not None:
        return ReadoutTracker(network, readout)
    return Encoder(network)
