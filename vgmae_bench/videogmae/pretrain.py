"""How Video-GMAE learns: rebuild a clip, of which little is shown, from moving Gaussians (arXiv 2512.22489).

Where paper, official code (tekotan/video-gmae c630810) and our defaults part, there is a setting.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from vgmae_bench.config import Json
from vgmae_bench.errors import UsageError
from vgmae_bench.models.frames import prepare
from vgmae_bench.models.losses import reconstruction_loss
from vgmae_bench.models.readout import TokenOrder
from vgmae_bench.training.recipe import Batch, ClipShape, LoopConfig
from vgmae_bench.videogmae.checkpoint import save_weights, take_what_fits
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
from vgmae_bench.videogmae.network import Encoded, NetworkConfig, VideoGMAE, pixel_mask
from vgmae_bench.videogmae.pictures import draw
from vgmae_bench.videogmae.tracker import VideoGMAEConfig, VideoGMAETracker


@dataclass(frozen=True)
class Stage:
    """A stretch of a curriculum: what is other than in the configuration until a share of the steps is done.

    Attributes:
        until: that share.
        num_frames: length of the clips, at least 2; the network sees the first frames of its time.
        mask_ratio, speed, residuals, registration_weight: as in the configuration.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    until: float = 1.0
    num_frames: int | None = None
    mask_ratio: float | None = None
    speed: float | None = None
    residuals: Residuals | None = None
    registration_weight: float | None = None


class Now(NamedTuple):
    """What the curriculum says of a step."""

    num_frames: int
    mask_ratio: float
    speed: float
    residuals: Residuals
    registration_weight: float


@dataclass(frozen=True)
class PretrainConfig(LoopConfig, Activation, NetworkConfig):
    """Settings of pretraining: those of the loop, of the network and of what its outputs mean, in one flat list.

    Attributes:
        mask_ratio: share of the patches hidden from the encoder: 0.95 in the paper, 0.9 in the official settings.
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
        stride: frames of a video from one frame of a clip to the next; synthetic clips are made as they are.
        speed: of synthetic clips; 1 moves points by 3/256 of the frame per frame.
        stages: a curriculum; later stages begin where earlier ones end, and after the last all is as set here.
        backend: of the splatting.

    Raises:
        UsageError: a number out of its range.
    """

    mask_ratio: float = 0.95
    token_order: TokenOrder = "identity"
    composite: Composite = "over"
    loss_reduction: Literal["mean", "sum"] = "mean"
    loss_region: Literal["all", "masked"] = "all"
    freeze_encoder: bool = False
    deltas_reg_weight: float = 0.0
    smoothness_weight: float = 0.0
    registration_weight: float = 0.0
    stride: int = 4
    speed: float = 1.0
    stages: tuple[Stage, ...] = ()
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        _ = self.network  # which checks its numbers
        for when in map(self.fill, (Stage(), *self.stages)):
            if not 2 <= when.num_frames <= self.num_frames:
                raise UsageError(f"Clips have 2 to {self.num_frames} frames", f"{when.num_frames} were asked for")
            if not 0 <= when.mask_ratio < 1 or when.speed < 0:
                raise UsageError("mask_ratio must lie in [0, 1), speed at 0 or above", str(when))
        if self.loss_region == "masked" and self.mask_ratio == 0:
            raise UsageError("Without masking no pixel is masked", "loss_region=masked with mask_ratio=0")

    @property
    def network(self) -> NetworkConfig:
        return NetworkConfig(**{field.name: getattr(self, field.name) for field in fields(NetworkConfig)})

    @property
    def activation(self) -> Activation:
        return Activation(**{field.name: getattr(self, field.name) for field in fields(Activation)})

    def at(self, step: int) -> Now:
        """What holds at a step, counted from 0."""
        for stage in self.stages:
            if step < stage.until * self.steps:
                return self.fill(stage)
        return self.fill(Stage())

    def fill(self, stage: Stage) -> Now:
        """A stage's settings, with the configuration's where it has none."""
        return Now(
            stage.num_frames or self.num_frames,
            self.mask_ratio if stage.mask_ratio is None else stage.mask_ratio,
            self.speed if stage.speed is None else stage.speed,
            stage.residuals or self.residuals,
            self.registration_weight if stage.registration_weight is None else stage.registration_weight,
        )


class Pretraining:
    """Video-GMAE's recipe; see `vgmae_bench.training.recipe.Recipe`."""

    def __init__(self, config: PretrainConfig) -> None:
        self.config = config

    def build(self) -> VideoGMAE:
        """A new network; what is not to be trained has no gradient."""
        model = VideoGMAE(self.config.network)
        if self.config.position == "pos3d":
            model.cls_token.requires_grad_(False)  # in the state dict, but not in the network
        if self.config.freeze_encoder:
            model.blocks.requires_grad_(False)
        return model

    def start_from(self, model: nn.Module, weights: Path) -> list[str]:
        """See `take_what_fits`: of Video-GMAE, GMAE or an image MAE."""
        return take_what_fits(model, weights)

    def shape(self, step: int) -> ClipShape:
        now = self.config.at(step)
        return ClipShape(now.num_frames, self.config.image_size, self.config.stride, now.speed)

    def loss(self, model: nn.Module, batch: Batch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Reconstruction error of the clips, plus what holds the Gaussians back."""
        assert isinstance(model, VideoGMAE)
        config, now = self.config, self.config.at(step)
        encoded = self.encode(model, batch, now.mask_ratio)
        gaussians = self._gaussians(model, encoded, batch.video.shape[1], now.residuals)
        camera = fixed_camera(config.image_size, config.image_size, like=gaussians.means)
        image = render_video(gaussians, camera, config.composite, config.backend)
        mask = None
        if config.loss_region == "masked":
            mask = pixel_mask(encoded.mask, model.config)[:, : batch.video.shape[1]]
        parts = {"reconstruction": reconstruction_loss(image, batch.video.float() / 255, config.loss_reduction, mask)}
        if config.deltas_reg_weight:
            parts["displacement"] = config.deltas_reg_weight * displacement_penalty(gaussians)
        if config.smoothness_weight:
            parts["smoothness"] = config.smoothness_weight * neighbourhood_smoothness(gaussians)
        if any(stage.registration_weight for stage in map(config.fill, (Stage(), *config.stages))):
            parts["registration"] = image.new_zeros(())
            if now.registration_weight:
                distance = registration_distance(gaussians, camera, batch.video.float() / 255)
                parts["registration"] = now.registration_weight * distance
        return torch.stack(list(parts.values())).sum(), {name: part.detach() for name, part in parts.items()}

    def export(self, model: nn.Module, path: Path, source: Json) -> None:
        sections = {"network": self.config.network, "activation": self.config.activation, "source": source}
        save_weights(path, model.state_dict(), "videogmae", sections)

    def tracker(self, model: nn.Module, device: str) -> VideoGMAETracker:
        """Made from an exported file, as a user would."""
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder, "weights.safetensors")
            self.export(model, weights, None)
            return VideoGMAETracker(VideoGMAEConfig(backend=self.config.backend), weights, device, seed=0)

    def pictures(self, model: nn.Module, batch: Batch, path: Path) -> None:
        """Input, reconstruction and flow, nothing being masked, as when points are tracked."""
        assert isinstance(model, VideoGMAE)
        with torch.no_grad():
            encoded = self.encode(model, batch, mask_ratio=0.0)
            gaussians = self._gaussians(model, encoded, batch.video.shape[1], self.config.residuals)
        draw(batch.video, gaussians, self.config.composite, path, self.config.backend)

    def encode(self, model: VideoGMAE, batch: Batch, mask_ratio: float) -> Encoded:
        """See `encode_part`."""
        return encode_part(model, batch, mask_ratio, self.config.token_order)

    def _gaussians(self, model: VideoGMAE, encoded: Encoded, frames: int, residuals: Residuals) -> Gaussians:
        raw = model.decode(encoded)[:, :frames].float()
        activation = Activation(**{**vars(self.config.activation), "residuals": residuals})
        return activate(raw, activation)


def encode_part(model: VideoGMAE, batch: Batch, mask_ratio: float, token_order: TokenOrder = "identity") -> Encoded:
    """What the encoder makes of a random part of some clips.

    They may be shorter than the network's: then their last frame is repeated, and the repetitions are never shown.
    """
    B, T, H, W, _ = batch.video.shape
    images = prepare(batch.video.flatten(0, 1), (H, W)).view(B, T, 3, H, W).transpose(1, 2)
    missing = images[:, :, -1:].expand(-1, -1, model.config.num_frames - T, -1, -1)
    total, shown = model.config.num_tokens, T * model.config.grid**2
    kept = max(1, int(shown * (1 - mask_ratio)))
    order = draw_order(batch.seeds, total, shown, kept, token_order).to(images.device)
    # Half a token more than is kept, so that rounding the share back to tokens cannot miss.
    hidden = 1 - (kept + 0.5) / total if kept < total else 0.0
    return model.encode(torch.cat([images, missing], dim=2), hidden, order)


def draw_order(seeds: tuple[int, ...], total: int, shown: int, kept: int, token_order: TokenOrder) -> Tensor:
    """Permutations int64 [len(seeds), total] that begin with `kept` random ones of the first `shown` tokens.

    Arguments:
        seeds: each clip's own.
        token_order: of those that are kept; the others follow in no order that matters.
    """
    rows = []
    for seed in seeds:
        noise = torch.rand(shown, generator=torch.Generator().manual_seed(seed))
        chosen = noise.argsort()
        if token_order == "identity":
            chosen = torch.cat([chosen[:kept].sort().values, chosen[kept:]])
        rows.append(torch.cat([chosen, torch.arange(shown, total)]))
    return torch.stack(rows)
