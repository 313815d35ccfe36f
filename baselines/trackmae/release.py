"""Converts official checkpoints of TrackMAE and VideoMAE to weights files: pretrained or fine-tuned, also from Hugging Face.

The layouts are those of the official code (rvandeghen/TrackMAE 3e7db78): {"model": state dict, "args": Namespace, …}. Nothing
in a file is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vgmae_bench.config import Json, build, to_json
from vgmae_bench.errors import WeightsError
from vgmae_bench.models.checkpoint_content import require_finite
from vgmae_bench.models.imported import Imported, assumed_heads, count_blocks, import_options, read_release
from vgmae_bench.models.weights_file import check_fit

from .checkpoint import CLASSIFIER, PRETRAINED, Trained
from .names import in_our_names
from .network import Classifier, EncoderConfig, Heads, NetworkConfig, TrackMAE, sinusoids
from .targets.motion import Norm

_HEADS = {1280: 16, 640: 8}
"""Numbers of heads for the widths of ViT-H. All other networks of the family have heads of 64 channels."""
_PATCH, _IMAGE, _FRAMES = "patch_embed.proj.weight", 224, 16


@dataclass(frozen=True)
class ImportOptions:
    """Properties of a checkpoint that its tensors do not show. The user can set them.

    Attributes:
        num_heads, decoder_num_heads: None: 16 and 8 for ViT-H, otherwise heads of 64 channels.
        num_frames: None: from the run's settings, otherwise 16.
        image_size: in pixels; used if there is no position table. None: 224.
        motion_norm, mask_ratio: of the training; None: from the run's settings, otherwise the official defaults.
    """

    num_heads: int | None = None
    decoder_num_heads: int | None = None
    num_frames: int | None = None
    image_size: int | None = None
    motion_norm: Norm | None = None
    mask_ratio: float | None = None


def import_weights(path: Path, out: Path, overrides: Mapping[str, Any]) -> Imported:
    """Call `import_release`, then write a weights file that `vgmae_baselines.trackmae.checkpoint.load_model` reads."""
    return import_release(path, overrides).write(out)


def import_release(path: Path, overrides: Mapping[str, Any]) -> Imported:
    """Read an official checkpoint.

    Arguments:
        path: a file written by `torch.save`, or safetensors with Hugging Face's names.
        overrides: fields of `ImportOptions`.

    Raises:
        UsageError: an override is unknown or impossible.
        UntrustedFileError: the file names code, or holds objects instead of tensors.
        WeightsError: the file is damaged, or has another architecture. The message names the names and shapes that differ.
    """
    options = import_options(ImportOptions, overrides)
    named, found, notes = read_release(path)
    tensors, settings = in_our_names(named), found or {}
    require_finite(tensors, path)
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    try:
        make = _classifier if "fc_norm.weight" in shapes else _pretrained
        with torch.device("meta"):  # only names and shapes are needed
            network, sections = make(shapes, settings, options, notes)
    except (LookupError, ValueError) as error:
        raise WeightsError(
            f"{path} is not a checkpoint of TrackMAE or VideoMAE",
            f"no usable {error}; it holds {len(shapes)} tensors: {', '.join(list(shapes)[:3])}, …",
        ) from error
    expected = network.state_dict()
    for name, value in expected.items():
        if name.endswith("pos_embed"):
            tensors.setdefault(name, sinusoids(*value.shape[1:]))
    check_fit(expected, tensors, source=str(path))
    kind = CLASSIFIER if isinstance(network, Classifier) else PRETRAINED
    source: dict[str, Json] = {"file": path.name, "hyper_parameters": to_json(settings)}
    return Imported(kind, {**sections, "source": source}, tensors, notes=notes)


Shapes = Mapping[str, tuple[int, ...]]


def _pretrained(
    shapes: Shapes, settings: Mapping[str, Any], options: ImportOptions, notes: list[str]
) -> tuple[TrackMAE, dict[str, Any]]:
    """The network of these tensors, and the configuration for its weights file."""
    encoder = _encoder(shapes, "encoder.", settings, options, notes)
    width = shapes["mask_token"][2]
    network = NetworkConfig(
        **vars(encoder),
        decoder_embed_dim=width,
        decoder_num_heads=options.decoder_num_heads or assumed_heads(width, _HEADS, "decoder_num_heads", notes),
        decoder_depth=count_blocks(shapes, "decoder.blocks.") or NetworkConfig.decoder_depth,
        motion_decoder_depth=count_blocks(shapes, "tracker_decoder.blocks.") or NetworkConfig.motion_decoder_depth,
    )
    spatial, motion = (shapes.get(f"{name}.head.weight", (0,))[0] for name in ("decoder", "tracker_decoder"))
    trained = {
        # The official code standardises only for this name, its default.
        "motion_norm": options.motion_norm
        or ("patch" if settings.get("cotracker_norm", "patch") == "patch" else "none"),
        "motion_var_floor": 0.0,
        "motion_visibility_weight": False,
        "motion_drop_last": False,
        "upsample_tracks": bool(settings.get("upsample", True)),
        "mask_ratio": options.mask_ratio or settings.get("mask_ratio") or Trained.mask_ratio,
    }
    heads = Heads(spatial, motion)
    sections = {"network": network, "heads": heads, "trained": build(Trained, trained, owner="trackmae")}
    return TrackMAE(network, heads), sections


def _classifier(
    shapes: Shapes, settings: Mapping[str, Any], options: ImportOptions, notes: list[str]
) -> tuple[Classifier, dict[str, Any]]:
    """Like `_pretrained`."""
    network = _encoder(shapes, "", settings, options, notes)
    classes = shapes["head.weight"][0]
    return Classifier(network, classes), {"network": network, "classes": classes}


def _encoder(
    shapes: Shapes, prefix: str, settings: Mapping[str, Any], options: ImportOptions, notes: list[str]
) -> EncoderConfig:
    width, _, tubelet, patch, _ = shapes[prefix + _PATCH]
    frames = options.num_frames
    if frames is None:
        window = settings.get("window_size")
        if isinstance(window, list) and window:
            frames = tubelet * window[0]
        else:
            frames = _FRAMES
            notes.append(f"num_frames={frames} is assumed; --set num_frames=… changes it")
    table = shapes.get(f"{prefix}pos_embed")
    if table is None:
        size = options.image_size or _IMAGE
        notes.append(f"image_size={size}: there is no position table, it is computed")
    else:
        grid = round((table[1] * tubelet / frames) ** 0.5)
        if grid**2 * (frames // tubelet) != table[1]:
            raise WeightsError(
                f"{table[1]} tokens are no square patches of {frames} frames",
                f"{tubelet} frames per token",
                try_="--set num_frames=8, or as many as the network takes",
            )
        size = grid * patch
    return EncoderConfig(
        image_size=size,
        patch_size=patch,
        num_frames=frames,
        tubelet_size=tubelet,
        embed_dim=width,
        depth=count_blocks(shapes, f"{prefix}blocks."),
        num_heads=options.num_heads or assumed_heads(width, _HEADS, "num_heads", notes),
        mlp_ratio=shapes[f"{prefix}blocks.0.mlp.fc1.weight"][0] / width,
    )
