"""Pretraining of Video-GMAE: reconstruct a mostly hidden clip from moving Gaussians (arXiv 2512.22489).

Where paper, official code (tekotan/video-gmae c630810) and our defaults differ, there is a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.config import Json
from vgmae_bench.errors import UsageError
from vgmae_bench.models.losses import reconstruction_loss
from vgmae_bench.models.readout import TokenOrder
from vgmae_bench.models.weights_file import save_weights
from vgmae_bench.training.recipe import Batch, ClipShape, Losses, Recipe
from vgmae_bench.training.settings import ClipDataConfig, LoopConfig
from vgmae_bench.videogmae.checkpoint import Model, start_from
from vgmae_bench.videogmae.gaussians.gaussians import (
    Activation,
    Backend,
    Composite,
    Gaussians,
    Residuals,
    activate,
    fixed_camera,
    render_video,
)
from vgmae_bench.videogmae.gaussians.losses import displacement_penalty, neighbourhood_smoothness, registration_distance
from vgmae_bench.videogmae.gaussians.motion_loss import MotionLoss, reconstruct
from vgmae_bench.videogmae.gaussians.pictures import film, panels, save_picture
from vgmae_bench.videogmae.masking import MaskMode, encode_part
from vgmae_bench.videogmae.network import Encoded, NetworkConfig, VideoGMAE, pixel_mask
from vgmae_bench.videogmae.tracker import GaussiansConfig, VideoGMAEConfig, VideoGMAETracker


@dataclass(frozen=True)
class Stage:
    """A stage of a curriculum: the settings that differ from the configuration until a share of the steps is done.

    Attributes:
        until: this share.
        num_frames: length of the clips, at least 2. The network uses its first frames.
        mask_ratio, mask_mode, unmasked_share, speed, stride, residuals, registration_weight: as in the configuration.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    until: float = 1.0
    num_frames: int | None = None
    mask_ratio: float | None = None
    mask_mode: MaskMode | None = None
    unmasked_share: float | None = None
    speed: float | None = None
    stride: int | None = None
    residuals: Residuals | None = None
    registration_weight: float | None = None


class Now(NamedTuple):
    """The curriculum's settings at one step."""

    num_frames: int
    mask_ratio: float
    mask_mode: MaskMode
    unmasked_share: float
    speed: float
    stride: int
    residuals: Residuals
    registration_weight: float


@dataclass(frozen=True)
class PretrainData(ClipDataConfig):
    """The clips."""

    stride: int = 4


@dataclass(frozen=True)
class Curriculum:
    """Masking of the clips, and settings that change during training.

    Attributes:
        mask_ratio: share of the patches hidden from the encoder: 0.95 in the paper, 0.9 in the official settings.
        mask_mode: "uniform" hides patches of all frames alike (paper and official code). "first_shown" (ours) shows all of
            frame 0 and hides this share of the later frames' patches.
        unmasked_share: share of each batch that is shown completely, as pairs of frames. Mask ratio and length of the other
            clips do not matter. The network then does not forget what it learned from pairs. Ours.
        stages: a stage begins where the previous one ends. After the last one, the other settings hold.
    """

    mask_ratio: float = 0.95
    mask_mode: MaskMode = "uniform"
    unmasked_share: float = 0.0
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class PretrainConfig(LoopConfig):
    """Settings of pretraining.

    Attributes:
        network: shape of the network.
        activation: activations of the network's outputs.
        motion_loss: comparison of later frames.
        curriculum: masking of the clips, and settings that change during training.
        token_order: "identity" shows patches in raster order, "shuffled" in random order as in the official code.
        composite: background of the rendered frames; see `vgmae_bench.videogmae.gaussians.gaussians.composite`. "official"
            has a superfluous factor.
        loss_reduction: reduction over the clips of a batch: "mean", or "sum" as in the official code. The sum is over each
            process's part of a pass, so the gradient depends on how the batch is divided.
        loss_region: "all" pixels (paper and official code), or those of "masked" patches.
        freeze_encoder: do not train the encoder's blocks. The official settings do this by oversight, even for new weights.
        deltas_reg_weight: weight of the length of Gaussians' steps. The official term of that name is always 0.
        smoothness_weight: weight of the differences between the steps of neighbours. Ours.
        registration_weight: weight of the distance between the motion of the Gaussians in the image and a registration of the
            frames: a warm start without labels. Ours; see `vgmae_bench.videogmae.gaussians.registration`.
        tiles: `tiles` of the tracker for these weights. The weights file stores it, and validation tracks with it. Training
            itself does not depend on it.
        backend: back end of splatting.

    Raises:
        UsageError: a value is out of range.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    activation: Activation = field(default_factory=Activation)
    motion_loss: MotionLoss = field(default_factory=MotionLoss)
    data: PretrainData = field(default_factory=PretrainData)
    curriculum: Curriculum = field(default_factory=Curriculum)
    token_order: TokenOrder = "identity"
    composite: Composite = "over"
    loss_reduction: Literal["mean", "sum"] = "mean"
    loss_region: Literal["all", "masked"] = "all"
    freeze_encoder: bool = False
    deltas_reg_weight: float = 0.0
    smoothness_weight: float = 0.0
    registration_weight: float = 0.0
    tiles: int = 1
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        _ = VideoGMAEConfig(tiles=self.tiles)  # it checks the value
        for when in self.stretches:
            if not 2 <= when.num_frames <= self.network.num_frames:
                raise UsageError(f"Clips have 2 to {self.network.num_frames} frames", f"a stage has {when.num_frames}")
            if not 0 <= when.mask_ratio < 1 or not 0 <= when.unmasked_share <= 1 or when.speed < 0 or when.stride < 1:
                raise UsageError(
                    "mask_ratio must be in [0, 1), unmasked_share in [0, 1], speed at least 0, stride at least 1",
                    str(when),
                )
            if self.data.bank_scenes and when.speed != self.data.speed:
                raise UsageError(
                    "All clips of a bank have the same speed",
                    f"a stage has speed {when.speed}, the bank {self.data.speed}",
                    try_="stride in the stage instead",
                )
        if self.loss_region == "masked" and self.curriculum.mask_ratio == 0:
            raise UsageError("The loss has no pixels", "loss_region=masked needs masked patches, and mask_ratio is 0")

    def at(self, step: int) -> Now:
        """The settings at a step, counted from 0."""
        for stage in self.curriculum.stages:
            if step < stage.until * self.steps:
                return self.fill(stage)
        return self.fill(Stage())

    @property
    def stretches(self) -> list[Now]:
        """What holds after the last stage, and in each stage."""
        return [self.fill(stage) for stage in (Stage(), *self.curriculum.stages)]

    def fill(self, stage: Stage) -> Now:
        """The settings of a stage; those that it does not set come from the configuration."""
        usual = {
            **vars(self.network),
            **vars(self.activation),
            **vars(self.data),
            **vars(self.curriculum),
            **vars(self),
        }
        now = usual | {name: value for name, value in vars(stage).items() if value is not None}
        return Now(**{name: now[name] for name in Now._fields})


class Pretraining(Recipe[VideoGMAE, Batch]):
    """The pretraining recipe of Video-GMAE. Frozen parameters have no gradient."""

    config: PretrainConfig

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__(config, lambda: VideoGMAE(config.network))
        if config.network.position == "pos3d":
            self.network.cls_token.requires_grad_(False)  # in the state dict, but not used
        if config.freeze_encoder:
            self.network.blocks.requires_grad_(False)

    def init_from(self, weights: Path) -> list[str]:
        """Start from weights of Video-GMAE, GMAE or an image MAE; see `start_from`."""
        return start_from(self.network, weights)

    def shape(self, step: int) -> ClipShape:
        """See `vgmae_bench.training.recipe.Recipe.shape`."""
        now = self.config.at(step)
        return ClipShape(now.num_frames, self.config.network.image_size, now.stride, now.speed)

    def forward(self, batch: Batch, step: int) -> Losses:
        """The reconstruction error of the clips, plus the regularisers of the Gaussians."""
        now = self.config.at(step)
        before = self.config.at(step - 1).num_frames if step else now.num_frames
        if now.num_frames > before:
            self.network.lengthen(before, now.num_frames)
        pairs = round(now.unmasked_share * len(batch.video))
        groups = [(batch.cut(pairs, None), now.mask_ratio)]
        if pairs:
            groups.append((batch.cut(None, pairs)._replace(video=batch.video[:pairs, :2]), 0.0))
        parts: dict[str, Tensor] = {}
        for part, ratio in groups:
            if share := len(part.video) / len(batch.video):
                for name, value in self._losses(part, ratio, now).items():
                    parts[name] = parts.get(name, 0) + share * value
        return Losses.sum_of(parts)

    def _losses(self, batch: Batch, mask_ratio: float, now: Now) -> dict[str, Tensor]:
        """The terms of the loss for some clips. Only the network is subject to reduced precision."""
        encoded = encode_part(self.network, batch, mask_ratio, self.config.token_order, now.mask_mode)
        gaussians = self._gaussians(encoded, batch.video.shape[1], now.residuals)
        with torch.autocast(batch.video.device.type, enabled=False):
            return self._terms(gaussians, encoded, batch, now)

    def _terms(self, gaussians: Gaussians, encoded: Encoded, batch: Batch, now: Now) -> dict[str, Tensor]:
        config, target = self.config, batch.video.float() / 255
        camera = fixed_camera(config.network.image_size, config.network.image_size, like=gaussians.means)
        if config.motion_loss.plain:
            image = render_video(gaussians, camera, config.composite, config.backend)
            mask = None
            if config.loss_region == "masked":
                mask = pixel_mask(encoded.mask, config.network)[:, : batch.video.shape[1]]
            parts = {"reconstruction": reconstruction_loss(image, target, config.loss_reduction, mask)}
        else:
            error = reconstruct(gaussians, target, camera, config.motion_loss, config.composite, config.backend)
            parts = {"reconstruction": error}
        if config.deltas_reg_weight:
            parts["displacement"] = config.deltas_reg_weight * displacement_penalty(gaussians)
        if config.smoothness_weight:
            parts["smoothness"] = config.smoothness_weight * neighbourhood_smoothness(gaussians)
        if any(now.registration_weight for now in config.stretches):
            parts["registration"] = image.new_zeros(())
            if now.registration_weight:
                distance = registration_distance(gaussians, camera, target)
                parts["registration"] = now.registration_weight * distance
        return parts

    def export(self, path: Path, source: Json) -> None:
        """See `vgmae_bench.training.recipe.Recipe.export`."""
        sections = {"network": self.config.network, "activation": self.config.activation, "source": source}
        if self.config.tiles != 1:
            sections["tracking"] = {"tiles": self.config.tiles}
        save_weights(path, self.network.state_dict(), "videogmae", sections)

    def tracker(self, device: str) -> VideoGMAETracker:
        """See `vgmae_bench.training.recipe.Recipe.tracker`."""
        model = Model(self.network, self.config.activation, self.config.tiles)
        config = VideoGMAEConfig(gaussians=GaussiansConfig(backend=self.config.backend))
        return VideoGMAETracker(config, model, device, seed=0)

    @torch.no_grad()
    def pictures(self, batch: Batch, path: Path) -> Sequence[npt.NDArray[np.uint8]]:
        """Draw input, visible part, reconstruction, flow and true flow. The flow is that of the unmasked clip."""
        config, shown, frames = self.config, self.config.curriculum, batch.video.shape[1]
        whole = encode_part(self.network, batch, 0.0, config.token_order)
        part = encode_part(self.network, batch, shown.mask_ratio, config.token_order, shown.mask_mode)
        hidden = pixel_mask(part.mask, config.network)[:, :frames] if shown.mask_ratio else None
        masked, seen = (self._gaussians(encoded, frames, config.activation.residuals) for encoded in (part, whole))
        clips = panels(batch.video, hidden, masked, seen, batch.flow, config.composite, config.backend)
        save_picture(clips, path)
        return film(clips[-1])

    def _gaussians(self, encoded: Encoded, frames: int, residuals: Residuals) -> Gaussians:
        raw = self.network.decode(encoded)[:, :frames].float()
        return activate(raw, replace(self.config.activation, residuals=residuals))
