"""Weights files of GMRW; see `vgmae_bench.models.weights_file`.

Their configuration has "network", "inference" and "source".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from vgmae_bench.config import Json
from vgmae_bench.models.weights_file import load_weights, save_weights

from .network import GMRW, NetworkConfig
from .readout import Method

KIND = "gmrw"
InputRange = Literal["official", "correct"]
Upsample = Literal[1, 2, 4]


@dataclass(frozen=True)
class Inference:
    """Default use of weights, unless the user sets something else.

    Attributes:
        input_range: "correct": images in [0, 1] are normalised, as in training. "official": images in [0, 255] are normalised
            with the statistics of [0, 1], a mistake of the released test script. None: not known; the user must choose.
        upsample: factor by which frames are enlarged before matching.
        method, radius: see `vgmae_baselines.gmrw.readout.Readout`.
        short_side: first reduce larger frames to this many pixels along their shorter side. None: do not reduce them.
    """

    input_range: InputRange | None = "correct"
    upsample: Upsample = 1
    method: Method = "weighted_sum"
    radius: float = 5.0
    short_side: int | None = None


class Model(NamedTuple):
    """The content of a weights file: the network, its default use, and its origin."""

    network: GMRW
    inference: Inference
    source: Json


def save_model(path: Path, model: GMRW, inference: Inference, source: Json) -> None:
    """Write a weights file. Raises StorageError if that fails."""
    config = {"network": model.config, "inference": inference, "source": source}
    save_weights(path, model.state_dict(), KIND, config)


def load_model(path: Path) -> Model:
    """The model of a weights file, in evaluation mode on the CPU.

    Raises:
        WeightsError: the file is damaged, or holds another model.
    """
    weights = load_weights(path, method="gmrw", kinds=(KIND,))
    shape, inference = weights.section("network", NetworkConfig), weights.section("inference", Inference)
    return Model(weights.network(lambda: GMRW(shape)), inference, weights.config.get("source"))
