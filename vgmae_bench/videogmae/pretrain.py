"""How Video-GMAE learns: rebuild a clip, of which little is shown, from moving Gaussians (arXiv 2512.22489).

Where paper, official code (tekotan/video-gmae c630810) and our defaults part, there is a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
from vgmae_bench.training.recipe import Batch, ClipShape, Losses, Recipe
from vgmae_bench.training.settings import ClipDataConfig, LoopConfig
from vgmae_bench.videogmae.checkpoint import Model, save_weights, start_from
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
from vgmae_bench.videogmae.gaussians.pictures import Panels, Seen, film, panels, save_picture
from vgmae_bench.videogmae.masking import MaskMode, encode_part
from vgmae_bench.videogmae.network import Encoded, NetworkConfig, VideoGMAE, pixel_mask
from vgmae_bench.videogmae.tracker import GaussiansConfig, VideoGMAEConfig, VideoGMAETracker


@dataclass(frozen=True)
class Stage:
    """A stretch of a curriculum: what is other than in the configuration until a share of the steps is done.

    Attributes:
        until: that share.
        num_frames: length of the clips, at least 2; the network sees the first frames of its time.
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
    """What the curriculum says of a step."""

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
    """What is shown of the clips, and what changes along the way.

    Attributes:
        mask_ratio: share of the patches hidden from the encoder: 0.95 in the paper, 0.9 in the official settings.
        mask_mode: "uniform" hides patches of all frames alike (paper and official code). "first_shown", ours, shows all of
            frame 0 and hides that share of the later frames' patches.
        unmasked_share: of each batch that is shown whole, as pairs of frames, whatever the mask ratio and the length of
            the others. Keeps the network from forgetting what it learned of pairs. Ours.
        stages: later stages begin where earlier ones end, and after the last all is as set here and in the other sections.
    """

    mask_ratio: float = 0.95
    mask_mode: MaskMode = "uniform"
    unmasked_share: float = 0.0
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class PretrainConfig(LoopConfig):
    """Settings of pretraining.

    Attributes:
        network: its shape.
        activation: what its outputs mean.
        motion_loss: how later frames are compared.
        curriculum: what is shown of the clips, and what changes along the way.
        token_order: "identity" shows patches in raster order, "shuffled" at random as in the official code.
        composite: see `vgmae_bench.videogmae.gaussians.gaussians.composite`; "official" has a factor too many.
        loss_reduction: over the clips of a batch: "mean", or "sum" as in the official code, over each process's part of
            a pass, which makes the gradient depend on how the batch is divided.
        loss_region: "all" pixels (paper and official code) or those of "masked" patches.
        freeze_encoder: leave the encoder's blocks as they are, as the official settings do, by oversight, even for new
            weights.
        deltas_reg_weight: of the length of Gaussians' steps. The official term of that name is always 0.
        smoothness_weight: of differences between the steps of neighbours. Ours.
        registration_weight: of the distance between where Gaussians go in the image and where a registration of the
            frames says, a warm start that needs no labels. Ours; see `vgmae_bench.videogmae.gaussians.registration`.
        tiles: the tracker's `tiles` for these weights. It is written into their file, and validation tracks with it. The
            training itself does not depend on it.
        backend: of the splatting.

    Raises:
        UsageError: a number out of its range.
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
        _ = VideoGMAEConfig(tiles=self.tiles)  # which checks it
        for when in self.stretches:
            if not 2 <= when.num_frames <= self.network.num_frames:
                raise UsageError(
                    f"Clips have 2 to {self.network.num_frames} frames", f"{when.num_frames} were asked for"
                )
            if not 0 <= when.mask_ratio < 1 or not 0 <= when.unmasked_share <= 1 or when.speed < 0 or when.stride < 1:
                raise UsageError(
                    "mask_ratio must lie in [0, 1), unmasked_share in [0, 1], speed at 0 or above, stride at 1 or above",
                    str(when),
                )
            if self.data.bank_scenes and when.speed != self.data.speed:
                raise UsageError(
                    "All clips of a bank have one speed",
                    f"a stage asks for {when.speed}, the bank has {self.data.speed}",
                    try_="stride in the stage instead",
                )
        if self.loss_region == "masked" and self.curriculum.mask_ratio == 0:
            raise UsageError("Without masking no pixel is masked", "loss_region=masked with mask_ratio=0")

    def at(self, step: int) -> Now:
        """What holds at a step, counted from 0."""
        for stage in self.curriculum.stages:
            if step < stage.until * self.steps:
                return self.fill(stage)
        return self.fill(Stage())

    @property
    def stretches(self) -> list[Now]:
        """What holds after the last stage, and in each stage."""
        return [self.fill(stage) for stage in (Stage(), *self.curriculum.stages)]

    def fill(self, stage: Stage) -> Now:
        """A stage's settings, with the configuration's where it has none."""
        data, curriculum = self.data, self.curriculum
        return Now(
            stage.num_frames or self.network.num_frames,
            curriculum.mask_ratio if stage.mask_ratio is None else stage.mask_ratio,
            stage.mask_mode or curriculum.mask_mode,
            curriculum.unmasked_share if stage.unmasked_share is None else stage.unmasked_share,
            data.speed if stage.speed is None else stage.speed,
            data.stride if stage.stride is None else stage.stride,
            stage.residuals or self.activation.residuals,
            self.registration_weight if stage.registration_weight is None else stage.registration_weight,
        )


class Pretraining(Recipe[VideoGMAE, Batch]):
    """Video-GMAE's recipe. What is not to be trained has no gradient."""

    config: PretrainConfig

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__(config, lambda: VideoGMAE(config.network))
        if config.network.position == "pos3d":
            self.network.cls_token.requires_grad_(False)  # in the state dict, but not in the network
        if config.freeze_encoder:
            self.network.blocks.requires_grad_(False)

    def init_from(self, weights: Path) -> list[str]:
        """See `start_from`: weights of Video-GMAE, GMAE or an image MAE."""
        return start_from(self.network, weights)

    def shape(self, step: int) -> ClipShape:
        """See `vgmae_bench.training.recipe.Recipe.shape`."""
        now = self.config.at(step)
        return ClipShape(now.num_frames, self.config.network.image_size, now.stride, now.speed)

    def forward(self, batch: Batch, step: int) -> Losses:
        """Reconstruction error of the clips, plus what holds the Gaussians back."""
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
        """The parts of the loss of some clips."""
        config, target = self.config, batch.video.float() / 255
        encoded = encode_part(self.network, batch, mask_ratio, config.token_order, now.mask_mode)
        gaussians = self._gaussians(encoded, batch.video.shape[1], now.residuals)
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
                distance = registration_distance(gaussians, camera, batch.video.float() / 255)
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
        model = Model(self.network, self.config.activation)
        config = VideoGMAEConfig(tiles=self.config.tiles, gaussians=GaussiansConfig(backend=self.config.backend))
        return VideoGMAETracker(config, model, device, seed=0)

    def pictures(self, batch: Batch, path: Path) -> None:
        """Input, what is shown of it, reconstruction, flow and true flow. The flow is that of the whole clip."""
        save_picture(self._panels(batch), path)

    def film(self, batch: Batch) -> Sequence[npt.NDArray[np.uint8]]:
        """See `vgmae_bench.training.recipe.Recipe.film`."""
        return film(self._panels(batch)[-1])

    @torch.no_grad()
    def _panels(self, batch: Batch) -> list[Panels]:
        config, shown, frames = self.config, self.config.curriculum, batch.video.shape[1]
        whole = encode_part(self.network, batch, 0.0, config.token_order)
        part = encode_part(self.network, batch, shown.mask_ratio, config.token_order, shown.mask_mode)
        hidden = pixel_mask(part.mask, config.network)[:, :frames] if shown.mask_ratio else None
        masked, seen = (self._gaussians(encoded, frames, config.activation.residuals) for encoded in (part, whole))
        return panels(Seen(batch.video, hidden, masked, seen, batch.flow), config.composite, config.backend)

    def _gaussians(self, encoded: Encoded, frames: int, residuals: Residuals) -> Gaussians:
        raw = self.network.decode(encoded)[:, :frames].float()
        activation = Activation(**{**vars(self.config.activation), "residuals": residuals})
        return activate(raw, activation)
