"""Weights files of GMAE (`vgmae_bench.models.weights_file`). Their configuration has "network", "view" and "source"."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vgmae_bench.config import Json
from vgmae_bench.gmae.gaussians import View
from vgmae_bench.gmae.network import GMAE, SIZES, ImageNetwork
from vgmae_bench.models.weights_file import load_weights, save_weights
from vgmae_bench.training.recipe import untrained

KIND = "gmae"


class Model(NamedTuple):
    """A network in evaluation mode on the CPU, and the interpretation of its outputs."""

    network: GMAE
    view: View


def save_model(path: Path, network: GMAE, view: View, source: Json) -> None:
    """Write a weights file. Raises StorageError if it cannot be written."""
    save_weights(path, network.state_dict(), KIND, {"network": network.config, "view": view, "source": source})


def load_model(path: Path) -> Model:
    """The model of a weights file.

    Raises:
        WeightsError: the file is damaged, or holds another model.
    """
    otherwise = "it is not a GMAE; its encoder can start a training: train --init"
    weights = load_weights(path, method="gmae", kinds=(KIND,), otherwise=otherwise)
    shape, view = weights.section("network", ImageNetwork), weights.section("view", View)
    return Model(weights.network(lambda: GMAE(shape)), view)


def open_model(weights: Path | None, size: str, seed: int) -> Model:
    """The model of a weights file. Without a file: a random network of one of `SIZES`, which depends on `seed` alone."""
    if weights is not None:
        return load_model(weights)
    return Model(untrained(lambda: GMAE(SIZES[size]), seed), View())
