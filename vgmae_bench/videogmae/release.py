"""Converts official checkpoints to weights files: Lightning containers of Video-GMAE, and image MAEs to start training from.

The layouts are those of the official code (tekotan/video-gmae, facebookresearch/mae). Nothing in a file is executed. A note
reports every tensor that is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgmae_bench.config import to_json
from vgmae_bench.errors import WeightsError
from vgmae_bench.models.checkpoint_content import average_beside, plain, require_finite, state_dict, unwrap, without
from vgmae_bench.models.checkpoint_file import read_checkpoint
from vgmae_bench.models.imported import Imported, import_options
from vgmae_bench.models.weights_file import check_fit
from vgmae_bench.videogmae.architecture import (
    ImportOptions,
    infer_activation,
    infer_network,
    infer_readout,
    recognise,
)
from vgmae_bench.videogmae.checkpoint import make_model

_DROPPED = {
    "linear_layer.": "online linear probe of the training run",
    "test_rfid.": "Inception network of the training run's FID metric",
    "perceptual_loss.": "LPIPS network of a training loss",
}
_DROPPED_OF_IMAGE_MAE = {
    "decoder_": "decoder of the image MAE, which predicts pixels",
    "mask_token": "decoder of the image MAE, which predicts pixels",
}
_FIXED_TABLES = {"pos_embed", "pos_embed_t", "decoder_pos_embed"}
_FROZEN = ("test_rfid.", "perceptual_loss.")
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def import_weights(path: Path, out: Path, overrides: Mapping[str, Any]) -> Imported:
    """Call `import_release`, then write a weights file that `vgmae_bench.videogmae.checkpoint.load_model` reads."""
    return import_release(path, overrides).write(out)


def import_release(path: Path, overrides: Mapping[str, Any]) -> Imported:
    """Read an official checkpoint.

    Arguments:
        path: a file written by `torch.save`: a Lightning container, {"model": state dict}, or a bare state dict.
        overrides: fields of `ImportOptions`.

    Raises:
        UsageError: an override is unknown, or numbers contradict each other.
        UntrustedFileError: the file names code, or holds objects instead of tensors.
        WeightsError: the file is damaged, or has another architecture. The message names the names and shapes that differ.
    """
    options = import_options(ImportOptions, overrides)
    content = read_checkpoint(path)
    stored = state_dict(content, path)
    hyper = _hyper_parameters(content)
    notes: list[str] = []
    ema = _moving_average(content, stored, path) if options.ema else None
    if ema:
        notes.append(f"{len(ema)} tensors are the moving average (EMA); --set ema=false uses the raw weights")
    named = _clean({**stored, **(ema or {})}, path)
    named, dropped = without(named, _DROPPED)
    shapes = {name: tuple(value.shape) for name, value in named.items()}
    kind = recognise(shapes, str(path))
    if kind == "mae-encoder":
        named, more = without(named, _DROPPED_OF_IMAGE_MAE)
        dropped += more

    try:
        network = infer_network(kind, shapes, named["pos_embed"], hyper, options, notes)
        readout = infer_readout(shapes, options, notes) if kind == "videogmae-readout" else None
        activation = infer_activation(hyper, notes) if kind == "videogmae" else None
    except (LookupError, ValueError, ZeroDivisionError) as error:
        raise WeightsError(f"{path} is not a whole Video-GMAE checkpoint", f"no usable {error}") from error

    # Without storage: only names, shapes and the tables are needed. The tables always have storage.
    with torch.device("meta"):
        expected = make_model(kind, network, readout).state_dict()
    rebuilt = {name: expected[name] for name in sorted(_FIXED_TABLES & set(expected) - set(named))}
    tensors = rebuilt | named
    check_fit(expected, tensors, source=str(path))
    require_finite(named, path)
    notes += [f"{name} is not in the checkpoint: a fixed table, computed" for name in rebuilt]
    source = {"file": path.name, "weights": "ema" if ema else "raw", "hyper_parameters": to_json(hyper)}
    sections = {"network": network, "readout": readout, "activation": activation, "source": source}
    config = {name: section for name, section in sections.items() if section is not None}
    return Imported(kind, config, tensors, dropped, notes)


def _clean(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Remove the prefixes that wrappers and the Lightning module add to names."""
    cleaned = {name.removeprefix("encoder."): value for name, value in unwrap(state, path).items()}
    if len(cleaned) < len(state):
        raise WeightsError(f"{path} holds two tensors with the same name", "it mixes names with and without prefix")
    return cleaned


def _moving_average(content: Mapping[Any, Any], stored: Mapping[str, Tensor], path: Path) -> dict[str, Tensor] | None:
    """The tensors of a moving average by name, or None if there is no moving average.

    The official EMA callback stores a bare tuple in the optimiser's order: the trainable parameters in the module's order,
    first those without weight decay (1-D or biases), then the others. Their number shows whether the blocks were frozen.
    """
    if beside := average_beside(content):
        found = state_dict({"ema": content[beside]}, path)
        if found.keys() != stored.keys():
            raise _no_fit(path, found, stored)
        return found
    states = content.get("optimizer_states")
    first = states[0] if isinstance(states, list) and states else None
    ema = first.get("ema") if isinstance(first, Mapping) else None
    if not isinstance(ema, tuple | list) or not ema:
        return None
    average = [value for value in ema if isinstance(value, Tensor)]
    trainable = [name for name in stored if _is_trainable(name, path, stored)]
    for names in (trainable, [name for name in trainable if ".blocks." not in name]):
        undecayed = [name for name in names if len(stored[name].shape) == 1 or name.endswith(".bias")]
        ordered = undecayed + [name for name in names if name not in set(undecayed)]
        if [stored[name].shape for name in ordered] == [ref.shape for ref in average]:
            return dict(zip(ordered, average, strict=True))
    raise _no_fit(path, average, trainable)


def _no_fit(path: Path, average: Collection[Any], weights: Collection[Any]) -> WeightsError:
    return WeightsError(
        f"The moving average in {path} does not fit its weights",
        f"{len(average)} averaged tensors, {len(weights)} trainable ones",
        try_="--set ema=false",
    )


def _is_trainable(name: str, path: Path, stored: Mapping[str, Tensor]) -> bool:
    (cleaned,) = _clean({name: stored[name]}, path)
    return cleaned not in _FIXED_TABLES and not cleaned.startswith(_FROZEN) and not cleaned.endswith(_BUFFERS)


def _hyper_parameters(content: Mapping[Any, Any]) -> dict[str, Any]:
    """The settings of the training as plain values; empty if the file has none."""
    values = plain(content.get("hyper_parameters", {}))
    settings = values.get("cfg", values) if isinstance(values, dict) else {}
    return settings if isinstance(settings, dict) else {}
