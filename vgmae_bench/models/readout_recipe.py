"""Trains a readout on any encoder, with loss, schedule and freezing of Video-GMAE's fine-tuning.

Sources: Baranwal et al., arXiv 2512.22489, and the behaviour of the official code (tekotan/video-gmae c630810).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Generic, Literal, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from vgmae_bench.config import Json
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.frames import prepare_clips
from vgmae_bench.models.losses import PositionLoss, readout_loss
from vgmae_bench.models.nn import ViTConfig
from vgmae_bench.models.readout import (
    DROPOUT,
    Predict,
    QueryFeature,
    ReadoutConfig,
    ReadoutNetwork,
    TokenOrder,
)
from vgmae_bench.models.weights_file import Weights, check_fit, save_weights
from vgmae_bench.plugins import suggestion
from vgmae_bench.settings import positive
from vgmae_bench.training.clips.tracks import TrackBatch, TrackDataConfig
from vgmae_bench.training.recipe import ClipShape, Losses, Recipe, evaluating
from vgmae_bench.training.settings import LoopConfig, OptimiserConfig
from vgmae_bench.types import Tracks
from vgmae_bench.viz.draw import contact_sheet

FreezeScope = Literal["all", "blocks", "none"]

FRAMES = 4
"""Number of frames of a clip in a picture, evenly spaced."""
SMALLEST = 192
"""Pixels. Smaller frames are enlarged by a whole factor."""


@dataclass(frozen=True)
class FinetuneOptimiser(OptimiserConfig):
    """Settings of the optimiser."""

    lr: float = 1e-4
    warmup_steps: int = 20


@dataclass(frozen=True)
class FinetuneConfig(LoopConfig):
    """Settings of fine-tuning. The defaults are the paper's, without the mistakes of the official code.

    Attributes:
        size: size of a random encoder (--weights random), one of the method's named sizes.
        freeze_scope: the frozen part: "all" (paper), "none" (full fine-tuning), or "blocks" (official: embedding, norm learn).
        token_order: "identity" encodes patches in raster order, "shuffled" in random order as in the official code.
        position_loss: "huber" is the official loss, times 100. "distance" (ours) is √(error² + 10⁻³) in patches: every point
            has about the same weight, whether it moved far or little.
        huber_delta: errors above it count linearly, in units of the frame. The official value of 1 exceeds all errors.
        dropout: dropout of the attention weights.
        hidden_positions: positions of occluded points count in the loss, as in the official code.
        readout_heads: number of heads of the cross-attention.
        readout_mlp_residual: add the input of the readout's MLP to its output.
        fourier_features: number of sines and cosines per query coordinate.
        readout_unshuffle: position embeddings follow the tokens' own places, and not their order as in the official code.
        readout_predict: the readout predicts positions (official), or displacements since the query in patches (ours).
        readout_query_feature: image features in a query: "none" (official), of the first frame, or "both": also of the target.
        readout_mlps: number of MLPs after the attention; the paper has one.
        readout_code_scale: factor of the position and frame codes in a query. Below 1, features dominate at the start.
        readout_windows: number of consecutive clips of the encoder that are encoded separately and read together.

    Raises:
        UsageError: a value is out of range.
    """

    optimiser: FinetuneOptimiser = field(default_factory=FinetuneOptimiser)
    data: TrackDataConfig = field(default_factory=TrackDataConfig)
    steps: int = 50_000
    size: str = "tiny"
    freeze_scope: FreezeScope = "all"
    token_order: TokenOrder = "identity"
    position_loss: PositionLoss = "huber"
    huber_delta: float = 1.0
    dropout: float = DROPOUT
    hidden_positions: bool = True
    readout_heads: int = 16
    readout_mlp_residual: bool = True
    fourier_features: int = 16
    readout_unshuffle: bool = True
    readout_predict: Predict = "position"
    readout_query_feature: QueryFeature = "none"
    readout_mlps: int = 1
    readout_code_scale: float = 1.0
    readout_windows: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "huber_delta")
        _ = self.readout  # it checks its values

    @property
    def readout(self) -> ReadoutConfig:
        """The settings of the readout. Most have the same names here, after `readout_`."""
        given = {name.removeprefix("readout_"): value for name, value in vars(self).items()}
        return ReadoutConfig(**{field.name: given[field.name] for field in fields(ReadoutConfig)})


R = TypeVar("R", bound=ReadoutNetwork)


class ReadoutRecipe(Recipe[R, TrackBatch], Generic[R]):
    """Trains a readout on an encoder. Frozen parameters have no gradient. Subclasses load and track with a method's encoder.

    Arguments:
        config: settings.
        make: creates the network. Its encoder's transformer is a list `blocks`.
        encoder: the shape of the encoder, for the weights files.
        kind: the kind of model in the weights files.
    """

    config: FinetuneConfig

    def __init__(self, config: FinetuneConfig, make: Callable[[], R], encoder: ViTConfig, kind: str) -> None:
        super().__init__(config, make)
        self.network.readout.cross_attn.dropout = config.dropout
        freeze(self.network, config.freeze_scope)
        self._encoder, self._kind = encoder, kind

    def shape(self, step: int) -> ClipShape:
        """See `vgmae_bench.training.recipe.Recipe.shape`."""
        frames, data = self._encoder.num_frames * self.config.readout_windows, self.config.data
        return ClipShape(frames, self._encoder.image_size, data.stride, data.speed)

    def export(self, path: Path, source: Json) -> None:
        """See `vgmae_bench.training.recipe.Recipe.export`."""
        sections = {"network": self._encoder, "readout": self.config.readout, "source": source}
        save_weights(path, self.network.state_dict(), self._kind, sections)

    def forward(self, batch: TrackBatch, step: int) -> Losses:
        """`readout_loss` of all points. Each is queried in the first frame, as in the official code."""
        positions, occlusion = self.answer(batch)
        parts = readout_loss(
            positions,
            occlusion,
            batch.xy,
            batch.occluded,
            batch.valid,
            kind=self.config.position_loss,
            delta=self.config.huber_delta,
            grid=self.network.readout.grid,
            hidden_positions=self.config.hidden_positions,
        )
        return Losses(parts.total, {"position": parts.position.detach(), "occlusion": parts.occlusion.detach()})

    def pictures(self, batch: TrackBatch, path: Path) -> None:
        """Draw true tracks, and predicted tracks below them, for each clip."""
        with torch.no_grad(), evaluating(self.network):
            positions, occlusion = self.answer(batch)
        size = batch.video.shape[2]
        factor = -(-SMALLEST // size)
        rows = []
        for clip, valid in enumerate(batch.valid):
            frames = batch.video[clip].repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2).cpu().numpy()
            for xy, hidden in ((batch.xy, batch.occluded), (positions, occlusion > 0.5)):
                places = (xy[clip, valid] * size * factor).float().cpu().numpy()
                tracks = Tracks(xy=places, visible=~hidden[clip, valid].cpu().numpy())
                rows.append(contact_sheet(frames, tracks, columns=min(FRAMES, len(frames)), rows=1))
        Image.fromarray(np.concatenate(rows)).save(path, format="PNG")

    def answer(self, batch: TrackBatch) -> tuple[Tensor, Tensor]:
        """Predict positions [B, N, T, 2] in units of the frame, and probabilities of occlusion [B, N, T]."""
        first = batch.xy[:, :, 0]
        queries = torch.cat([torch.zeros_like(first[..., :1]), first.flip(-1)], dim=-1)
        order = None
        if self.config.token_order == "shuffled":
            tokens = self.network.readout.enc_temporal_embed.shape[1] // self.config.readout_windows
            order = torch.stack([_permutation(tokens, seed) for seed in batch.seeds])
        answers: tuple[Tensor, Tensor] = self.network(prepare_clips(batch.video), queries, order)
        return answers


def take_encoder(model: ReadoutNetwork, given: Weights) -> list[str]:
    """Copy the encoder of a weights file to the model of a `ReadoutRecipe`, and a readout of the same configuration.

    Arguments:
        given: the content of the file. Its tensors have the model's names.

    Returns:
        Sentences about the parts that were copied and those that are new.

    Raises:
        WeightsError: parts of the encoder are missing or have another shape.
    """
    same = "readout" in given.config and given.section("readout", ReadoutConfig) == model.readout.config
    wanted = {name: value for name, value in model.named_parameters() if same or not name.startswith("readout.")}
    if missing := [name for name in wanted if name not in given.tensors]:
        raise WeightsError(f"{given.path} lacks {len(missing)} tensors of the encoder", ", ".join(missing[:3]))
    taken = {name: given.tensors[name] for name in wanted}
    check_fit(wanted, taken, source=str(given.path))
    model.load_state_dict(taken, strict=False)
    what = "encoder and readout" if same else "encoder"
    return [f"taken from {given.path.name} ({given.kind}): {what}"] + ([] if same else ["new: readout"])


Size = TypeVar("Size")


def named_size(sizes: Mapping[str, Size], name: str) -> Size:
    """One of a method's named sizes. Raises UsageError if the name is unknown."""
    if name not in sizes:
        raise UsageError(f'There is no size "{name}"', suggestion(name, sizes))
    return sizes[name]


def freeze(model: nn.Module, scope: FreezeScope) -> None:
    """Turn off gradients of the frozen part; see `FinetuneConfig.freeze_scope`."""
    for name, parameter in model.named_parameters():
        part = name.split(".")
        if (scope == "all" and part[0] != "readout") or (scope == "blocks" and "blocks" in part):
            parameter.requires_grad_(False)


def _permutation(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
