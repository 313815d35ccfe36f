"""Weights files of Video-GMAE's models; see `vgmae_bench.weights_file`.

Their configuration holds "network", "source", and, depending on the kind, "readout" and "activation".
"""

from __future__ import annotations

from pathlib import Path

import torch

from vgmae_bench import weights_file
from vgmae_bench.config import build
from vgmae_bench.errors import WeightsError
from vgmae_bench.videogmae.network import Encoder, NetworkConfig, VideoGMAE
from vgmae_bench.videogmae.readout import ReadoutConfig, ReadoutTracker
from vgmae_bench.weights_file import Weights, check_fit, load_into, save_weights

__all__ = ["KINDS", "Weights", "check_fit", "load_into", "load_model", "load_weights", "make_model", "save_weights"]

KINDS = ("videogmae", "videogmae-readout", "mae-encoder")


def load_weights(path: Path) -> Weights:
    """A weights file's content. Raises WeightsError: see `vgmae_bench.weights_file.load_weights`."""
    return weights_file.load_weights(path, method="videogmae")


def load_model(path: Path) -> tuple[Encoder, Weights]:
    """The model of a weights file, in evaluation mode on the CPU, and the file's content.

    Raises:
        WeightsError: see `load_weights` and `load_into`, or a kind of model that is not Video-GMAE's.
    """
    weights = load_weights(path)
    config = {name: section for name, section in weights.config.items() if isinstance(section, dict)}
    if weights.kind not in KINDS or "network" not in config:
        raise WeightsError(f'{path} holds a "{weights.kind}" model', "videogmae cannot use it")
    network = build(NetworkConfig, config["network"], owner="videogmae")
    readout = build(ReadoutConfig, config["readout"], owner="videogmae") if "readout" in config else None
    with torch.device("meta"):  # nothing is initialised that the file overwrites anyway
        model = make_model(weights.kind, network, readout)
    load_into(model, weights.tensors, source=str(path))
    return model.eval(), weights


def make_model(kind: str, network: NetworkConfig, readout: ReadoutConfig | None) -> Encoder:
    """A model of one of `KINDS`, newly initialised."""
    if kind == "videogmae":
        return VideoGMAE(network)
    if readout is not None:
        return ReadoutTracker(network, readout)
    return Encoder(network)
