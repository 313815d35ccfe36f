"""Finds the network that a state dict belongs to, from its names, shapes and fixed tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from torch import Tensor

from vgmae_bench.config import build
from vgmae_bench.errors import WeightsError
from vgmae_bench.models.imported import assumed_heads, count_blocks
from vgmae_bench.models.nn import sincos_3d
from vgmae_bench.models.readout import OFFICIAL, ReadoutConfig
from vgmae_bench.videogmae.gaussians.gaussians import Activation
from vgmae_bench.videogmae.network import NetworkConfig

Kind = Literal["videogmae", "videogmae-readout", "mae-encoder"]
Shapes = Mapping[str, tuple[int, ...]]

_ENCODER_HEADS = {768: 12, 1024: 16}
_DECODER_HEADS = {512: 16}


@dataclass(frozen=True)
class ImportOptions:
    """Properties of a checkpoint that the user can set. Most of them are not visible in its tensors.

    Attributes:
        ema: use the exponential moving average of the weights if the checkpoint has one.
        num_heads, decoder_num_heads, readout_heads: None: as in the known sizes, otherwise heads of 64 channels.
        num_frames: None: from the position tables; 16 for an image MAE.
        decoder_attention: None: from the hyper-parameters.
        readout_mlp_residual, readout_unshuffle: None: False, as in the official code.
    """

    ema: bool = True
    num_heads: int | None = None
    decoder_num_heads: int | None = None
    readout_heads: int | None = None
    num_frames: int | None = None
    decoder_attention: Literal["causal", "frame_causal", "bidirectional"] | None = None
    readout_mlp_residual: bool | None = None
    readout_unshuffle: bool | None = None


def recognise(shapes: Shapes, source: str) -> Kind:
    """The kind of model. Raises WeightsError if the kind is unknown."""
    if len(shapes.get("patch_embed.proj.weight", ())) == 4 and {"blocks.0.attn.qkv.weight", "pos_embed"} <= set(shapes):
        if "linear_gaussian.weight" in shapes:
            return "videogmae"
        return "videogmae-readout" if any(name.startswith("readout.") for name in shapes) else "mae-encoder"
    raise WeightsError(
        f"{source} is not a Video-GMAE or image-MAE checkpoint",
        f"it lacks patch_embed, blocks or pos_embed; it holds {len(shapes)} tensors: {', '.join(list(shapes)[:3])}, …",
    )


def infer_network(
    kind: Kind, shapes: Shapes, table: Tensor, hyper: Mapping[str, Any], options: ImportOptions, notes: list[str]
) -> NetworkConfig:
    """The configuration of the network.

    Arguments:
        table: `pos_embed`. Its values can show the number of frames.
        hyper: the hyper-parameters of the training; may be empty.
        notes: receives a sentence for every assumption.

    Raises:
        WeightsError: the tables have impossible shapes, or match no number of frames.
        UsageError: the numbers contradict each other.
    """
    width, _, patch, _ = shapes["patch_embed.proj.weight"]
    tokens = shapes["pos_embed"][1]
    pos3d = kind != "mae-encoder" and "pos_embed_t" not in shapes
    if pos3d:
        frames = _frames_of_table(table.numpy()[0], options.num_frames or hyper.get("seq_length"))
    else:
        frames = shapes["pos_embed_t"][1] if "pos_embed_t" in shapes else options.num_frames or NetworkConfig.num_frames
    encoder = NetworkConfig(
        image_size=math.isqrt(tokens // frames if pos3d else tokens - 1) * patch,
        patch_size=patch,
        num_frames=frames,
        embed_dim=width,
        depth=count_blocks(shapes, "blocks."),
        num_heads=options.num_heads or assumed_heads(width, _ENCODER_HEADS, "num_heads", notes),
        mlp_ratio=shapes["blocks.0.mlp.fc1.weight"][0] / width,
        position="pos3d" if pos3d else "interpolate",
    )
    if kind == "mae-encoder":
        return encoder
    if kind == "videogmae-readout":  # only the decoder's table is left; "pos3d" has no table either
        decoder_width = shapes.get("decoder_pos_embed", (encoder.decoder_embed_dim,))[-1]
        return replace(encoder, decoder_embed_dim=decoder_width, decoder_num_heads=1)
    decoder_width = shapes["decoder_embed.bias"][0]
    bidirectional = bool(hyper.get("random_frames"))
    if bidirectional and options.decoder_attention is None:
        notes.append("random_frames is set in the hyper-parameters: the decoder attends in both directions")
    return replace(
        encoder,
        num_gaussians=shapes["decoder_pos_embed_gaussian"][1] // frames,
        decoder_embed_dim=decoder_width,
        decoder_depth=count_blocks(shapes, "decoder_blocks."),
        decoder_num_heads=options.decoder_num_heads
        or assumed_heads(decoder_width, _DECODER_HEADS, "decoder_num_heads", notes),
        decoder_attention=options.decoder_attention or ("bidirectional" if bidirectional else "causal"),
    )


def infer_readout(shapes: Shapes, options: ImportOptions, notes: list[str]) -> ReadoutConfig:
    """The configuration of the readout. What the tensors do not show is as in the official code."""
    if options.readout_heads is None:
        notes.append(f"the readout is assumed to have {OFFICIAL.heads} heads; --set readout_heads=… changes it")
    return ReadoutConfig(
        heads=options.readout_heads or OFFICIAL.heads,
        mlp_residual=bool(options.readout_mlp_residual),
        fourier_features=shapes["readout.fourier_embedding.weight"][1] // 3,
        unshuffle=bool(options.readout_unshuffle),
    )


def infer_activation(hyper: Mapping[str, Any], notes: list[str]) -> Activation:
    """The activations of the outputs, from the training's hyper-parameters, or else the official defaults."""
    if "rgb_deltas" not in hyper:
        notes.append("no hyper-parameters on colours and scales: the official defaults are assumed")
    rgb_scale = hyper.get("rgb_deltas_scale", 1)
    residual = "frame0_logit" if rgb_scale == 1 else "frame0_scaled"
    settings = {
        "rgb_mode": residual if hyper.get("rgb_deltas") else "absolute",
        "rgb_scale": rgb_scale,
        "mean_deltas": hyper.get("mean_deltas", True),
        "scale_factor": hyper.get("scale_factor", 1.0),
    }
    return build(Activation, settings, owner="videogmae")


def _frames_of_table(table: np.ndarray, told: int | None) -> int:
    """The number of frames of a 3-D sin-cos table [T * grid², width]; the user's number if the table fits no number."""
    tokens, width = table.shape
    possible = [T for T in range(1, tokens + 1) if tokens % T == 0 and math.isqrt(tokens // T) ** 2 == tokens // T]
    for frames in possible:
        if np.allclose(sincos_3d(frames, math.isqrt(tokens // frames), width), table, atol=1e-3):
            return frames
    if told in possible:
        return told
    raise WeightsError(
        f"A position table of {tokens} tokens does not show the number of frames",
        f"possible are {', '.join(map(str, possible))}",
        try_="--set num_frames=16",
    )
