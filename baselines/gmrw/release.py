"""Converts official checkpoints to weights files: those of GMRW, and of GMFlow's two-scale network, which has the same trunk.

The layouts are those of the official code (ayshrv/gmrw, haofeixu/gmflow): {"model": state dict, "args": Namespace, …}. Names of
distributed runs have the prefix "module.". Nothing in a file is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vgmae_bench.config import Json, to_json
from vgmae_bench.errors import WeightsError
from vgmae_bench.models.checkpoint_content import require_finite, without
from vgmae_bench.models.imported import Imported, import_options, read_release
from vgmae_bench.models.weights_file import check_fit

from .checkpoint import KIND, Inference, InputRange, Upsample
from .network import GMRW, NetworkConfig

_GMFLOW_ONLY = {
    "feature_flow_attn.": "GMFlow's propagation of flow; a walk does not use it",
    "upsampler.": "GMFlow's upsampling of flow; a walk does not use it",
}
_PUBLISHED_UPSAMPLE: Upsample = 4


@dataclass(frozen=True)
class ImportOptions:
    """Properties of a checkpoint that its tensors do not show. The user can set them.

    Attributes:
        input_range, upsample: default use of the weights; see `vgmae_baselines.gmrw.checkpoint.Inference`.
        splits: attention windows along each axis.
        tau: temperature of matching; None: from the run's settings, or else the square root of the width.
    """

    input_range: InputRange | None = None
    upsample: Upsample | None = None
    splits: int = NetworkConfig.splits
    tau: float | None = None


def import_weights(path: Path, out: Path, overrides: Mapping[str, Any]) -> Imported:
    """Call `import_release`, then write a weights file that `vgmae_baselines.gmrw.checkpoint.load_model` reads."""
    return import_release(path, overrides).write(out)


def import_release(path: Path, overrides: Mapping[str, Any]) -> Imported:
    """Read an official checkpoint.

    Arguments:
        path: a file written by `torch.save`.
        overrides: fields of `ImportOptions`.

    Raises:
        UsageError: an override is unknown or out of range.
        UntrustedFileError: the file names code, or holds objects instead of tensors.
        WeightsError: the file is damaged, or has another architecture. The message names the names and shapes that differ.
    """
    options = import_options(ImportOptions, overrides)
    named, settings, notes = read_release(path)
    tensors, dropped = without(named, _GMFLOW_ONLY)
    temperature, tau = (settings or {}).get("temp"), options.tau
    if tau is None and isinstance(temperature, float | int):
        tau = temperature or None  # there, 0 means the square root of the width
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    network = infer_network(shapes, options.splits, tau, path)
    with torch.device("meta"):  # only names and shapes are needed
        expected = GMRW(network).state_dict()
    check_fit(expected, tensors, source=str(path))
    require_finite(tensors, path)
    inference = _inference(options, bool(dropped), notes)
    source: dict[str, Json] = {"file": path.name, "hyper_parameters": to_json(settings)}
    config = {"network": network, "inference": inference, "source": source}
    return Imported(KIND, config, tensors, dropped, notes)


def infer_network(shapes: Mapping[str, tuple[int, ...]], splits: int, tau: float | None, path: Path) -> NetworkConfig:
    """The configuration of the network with tensors of these shapes.

    Raises:
        WeightsError: the shapes are not those of such a network.
        UsageError: `splits` or `tau` is out of range.
    """
    try:
        width = shapes["backbone.conv2.weight"][0]
        first, second, third = (
            shapes[f"backbone.{name}.weight"][0] for name in ("conv1", "layer2.0.conv1", "layer3.0.conv1")
        )
        expansion = shapes["transformer.layers.0.cross_attn_ffn.mlp.0.weight"][0] // (2 * width)
    except (LookupError, ZeroDivisionError) as error:
        raise WeightsError(
            f"{path} is not a GMRW or two-scale GMFlow checkpoint",
            f"no usable {error}; it holds {len(shapes)} tensors: {', '.join(list(shapes)[:3])}, …",
        ) from error
    layers = {name.split(".")[2] for name in shapes if name.startswith("transformer.layers.")}
    return NetworkConfig(width, len(layers), expansion, splits, (first, second, third), tau=tau)


def _inference(options: ImportOptions, is_flow: bool, notes: list[str]) -> Inference:
    """The default use of the weights. `notes` receives a sentence for everything that the user did not set."""
    if is_flow:
        notes.append("these are GMFlow's weights, which were trained with ground-truth flow")
        return Inference(options.input_range or "correct", options.upsample or 1)
    if options.upsample is None:
        notes.append(
            f"points are tracked at upsample={_PUBLISHED_UPSAMPLE}, as published; --set upsample=1 is a hundred times less work"
        )
    if options.input_range is None:
        notes.append(
            "the weights were trained on images in [0, 1], but published with a test script that feeds [0, 255]: "
            "vgmae-bench run needs --set input_range=correct, or --set preset=official"
        )
    return Inference(options.input_range, options.upsample or _PUBLISHED_UPSAMPLE)
