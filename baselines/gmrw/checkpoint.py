"""Weights files of GMRW; see `vgmae_bench.models.weights_file`.

Their configuration holds "network", "inference" and "source".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from vgmae_bench.config import Json, build
from vgmae_bench.errors import WeightsError
from vgmae_bench.models.weights_file import load_into, load_weights, save_weights

from .network import GMRW, NetworkConfig
from .readout import Method

KIND = "gmrw"
InputRange = Literal["official", "correct"]
Upsample = Literal[1, 2, 4]


@dataclass(frozen=True)
class Inference:
    """How weights are meant to be used where the user does not say.

    Attributes:
        input_range: "correct": images in [0, 1] are normalised, as in training. "official": the released test script's
            slip, images in [0, 255] with the statistics of [0, 1]. None: not known, the user must choose.
        upsample: frames are enlarged by that before they are matched.
        method, radius: see `vgmae_baselines.gmrw.readout.Readout`.
        short_side: larger frames are shrunk to as many pixels along their shorter side first. None: they stay as they are.
    """

    input_range: InputRange | None = "correct"
    upsample: Upsample = 1
    method: Method = "weighted_sum"
    radius: float = 5.0
    short_side: int | None = None


class Model(NamedTuple):
    """What a weights file holds: the network, how it is meant to be used, and what is known of where it comes from."""

    network: GMRW
    inference: Inference
    source: Json


def save_model(path: Path, model: GMRW, inference: Inference, source: Json) -> None:
    """Write a weights file. Raises StorageError."""
    config = {"network": model.config, "inference": inference, "source": source}
    save_weights(path, model.state_dict(), KIND, config)


def load_model(path: Path) -> Model:
    """The model of a weights file, in evaluation mode on the CPU.

    Raises:
        WeightsError: the file is damaged or holds another model.
    """
    weights = load_weights(path, method="gmrw")
    network, inference = (weights.config.get(name) for name in ("network", "inference"))
    if weights.kind != KIND or not isinstance(network, dict) or not isinstance(inference, dict):
        raise WeightsError(f'{path} holds a "{weights.kind}" model', "gmrw cannot use it")
    with torch.device("meta"):  # nothing is initialised that the file overwrites anyway
        model = GMRW(build(NetworkConfig, network, owner="gmrw"))
    load_into(model, weights.tensors, source=str(path))
    return Model(model.eval(), build(Inference, inference, owner="gmrw"), weights.config.get("source"))
