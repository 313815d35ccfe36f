"""Pretraining of GMRW: walk from a frame to the next ones and back, and end at the start (arXiv 2409.16288).

Where paper, official code (ayshrv/gmrw bf832bd) and our defaults differ, there is a setting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.config import Json
from vgmae_bench.devices import to_device
from vgmae_bench.errors import UsageError
from vgmae_bench.models.nn import imagenet_statistics
from vgmae_bench.models.weights_file import take_what_fits
from vgmae_bench.settings import at_least, positive
from vgmae_bench.training.recipe import Batch, ClipShape, Losses, Recipe
from vgmae_bench.training.settings import ClipDataConfig, LoopConfig
from vgmae_bench.viz.draw import colour_flow, save_mosaic

from ..checkpoint import Inference, Model, Upsample, load_model, save_model
from ..network import GMRW, STRIDE, NetworkConfig
from ..readout import Method
from ..tracker import GMRWConfig, GMRWTracker
from . import warp
from .crops import CropConfig, between_crops, crop, draw_crops
from .smoothness import ramp, smoothness_loss
from .walk import Transition, Walker, walk_loss
from .warp import Labels, Targets


@dataclass(frozen=True)
class PretrainData(ClipDataConfig, CropConfig):
    """Settings of the clips and of their crops.

    Attributes:
        num_frames: frames per clip. A walk visits all of them and returns. The cost for N cells is N² with 2 frames, N³ with
            more.
        image_size: side in pixels of the clips before cropping.
        stride: step between frames of a clip, in frames of the video. Synthetic clips ignore it.

    Raises:
        UsageError: a number out of its range.
    """

    num_frames: int = 2
    image_size: int = 640

    def __post_init__(self) -> None:
        ClipDataConfig.__post_init__(self)
        CropConfig.__post_init__(self)
        at_least(self, num_frames=2, image_size=8)


@dataclass(frozen=True)
class Curriculum:
    """Settings that change during training.

    Attributes:
        smoothness: weight of the smoothness of flow: 0 until step `smoothness_start`, then linear up to step `smoothness_end`.
        smoothness_start, smoothness_end: first and last step of the rise of this weight.

    Raises:
        UsageError: a number out of its range.
    """

    smoothness: float = 0.0
    smoothness_start: int = 0
    smoothness_end: int = 0

    def __post_init__(self) -> None:
        at_least(self, smoothness=0, smoothness_start=0)
        if not self.smoothness_start <= self.smoothness_end:
            raise UsageError(
                "smoothness_start must not be after smoothness_end", f"{self.smoothness_start}, {self.smoothness_end}"
            )


@dataclass(frozen=True)
class PretrainConfig(LoopConfig):
    """Settings of pretraining.

    Attributes:
        network: shape of the network.
        data: the clips and their crops.
        curriculum: settings that change during training.
        labels: the cells where walks should end. "analytic": the exact cell of the starting point. "official": with the
            mistakes of the official code near the border. "none": the starting cell; both ways have the same crop.
        radius: steps lead only to cells nearer than this to the likeliest one, in cells; None: to all cells.
        upsample, readout, readout_radius, short_side: stored in the weights as `upsample`, `method`, `radius` and
            `short_side` of `vgmae_baselines.gmrw.checkpoint.Inference`, for tracking.
        matrix_mb: size in MiB of the pieces in which transition matrices are processed. It does not change the result.

    Raises:
        UsageError: a number out of its range.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: PretrainData = field(default_factory=PretrainData)
    curriculum: Curriculum = field(default_factory=Curriculum)
    labels: Labels = "analytic"
    radius: float | None = None
    upsample: Upsample = 1
    readout: Method = "weighted_sum"
    readout_radius: float = 5.0
    short_side: int | None = None
    matrix_mb: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, matrix_mb=1)
        positive(self, "radius", "readout_radius")

    @property
    def inference(self) -> Inference:
        """The settings that tracking needs."""
        return Inference("correct", self.upsample, self.readout, self.readout_radius, self.short_side)


class Pretraining(Recipe[GMRW, Batch]):
    """The pretraining recipe of GMRW.

    Losses are means over clips, so that gradients do not depend on the number of processes. (The official code divides by this
    number once too often.)
    """

    config: PretrainConfig

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__(config, lambda: GMRW(config.network))
        grid = config.data.crop_size // STRIDE
        entries = config.matrix_mb * 2**20 // torch.float32.itemsize
        self._walker = Walker(grid, grid, config.network.temperature, config.radius, pieces=entries)

    def init_from(self, weights: Path) -> list[str]:
        """Start from weights of GMRW; see `take_what_fits`."""
        return take_what_fits(self.network, load_model(weights).network.state_dict(), weights.name)

    def shape(self, step: int) -> ClipShape:
        """See `vgmae_bench.training.recipe.Recipe.shape`."""
        data = self.config.data
        return ClipShape(data.num_frames, data.image_size, data.stride, data.speed)

    def forward(self, batch: Batch, step: int) -> Losses:
        """The negative log-probability that walks return, plus the smoothness loss of the flow."""
        images, targets = self.palindrome(batch)
        walk = transitions(self.network, images)
        with torch.autocast(images.device.type, enabled=False):
            parts = {"walk": walk_loss(self._walker.return_probability(walk, targets.cell), targets).mean()}
            if self.config.curriculum.smoothness:
                parts["smoothness"] = self._smoothness(walk, images, step)
        return Losses.sum_of(parts)

    def palindrome(self, batch: Batch) -> tuple[Tensor, Targets]:
        """The images of a walk, float [B, 2 n - 1, 3, S, S] RGB in [0, 1] (n frames forth, n - 1 back), and its targets."""
        config, data = self.config, self.config.data
        video = batch.video.permute(0, 1, 4, 2, 3).float() / 255
        outgoing, returning = to_device(draw_crops(batch.seeds, data), video.device).unbind(1)
        if config.labels == "none":
            returning = outgoing
        there = crop(video, outgoing, data.crop_size)
        back = crop(video[:, :-1].flip(1), returning, data.crop_size)
        return torch.cat([there, back], dim=1), self._targets(outgoing, returning)

    def _targets(self, outgoing: Tensor, returning: Tensor) -> Targets:
        height, width = self._walker.height, self._walker.width
        if self.config.labels == "none":
            return warp.same_cell(len(outgoing), height, width, outgoing.device)
        make = warp.analytic if self.config.labels == "analytic" else warp.official
        return make(between_crops(outgoing, returning, self.config.data.crop_size), height, width)

    def _smoothness(self, walk: list[Transition], images: Tensor, step: int) -> Tensor:
        """The smoothness loss of the flow of all transitions, with its weight at this step."""
        ways = self.config.curriculum
        weight = ramp(step, ways.smoothness_start, ways.smoothness_end, ways.smoothness)
        if not weight:
            return images.new_zeros(())
        size = (images.shape[3], images.shape[4])
        losses = [
            smoothness_loss(self._walker.flow(transition, size), images[:, t] * 2 - 1)
            for t, transition in enumerate(walk)
        ]
        return weight * torch.stack(losses).mean()

    def export(self, path: Path, source: Json) -> None:
        """See `vgmae_bench.training.recipe.Recipe.export`."""
        save_model(path, self.network, self.config.inference, source)

    def tracker(self, device: str) -> GMRWTracker:
        """See `vgmae_bench.training.recipe.Recipe.tracker`."""
        return GMRWTracker(GMRWConfig(), Model(self.network, self.config.inference, None), device, seed=0)

    def pictures(self, batch: Batch, path: Path) -> None:
        """Draw the first two frames, uncropped at the size of crops, and the flow between them."""
        size = self.config.data.crop_size
        images = F.interpolate(
            batch.video[:, :2].permute(0, 1, 4, 2, 3).flatten(0, 1).float() / 255, (size, size), mode="area"
        ).unflatten(0, (-1, 2))
        with torch.no_grad():
            (step,) = transitions(self.network, images)
            flow = self._walker.flow(step, (size, size))
        draw(images, flow, path)


def transitions(model: GMRW, images: Tensor) -> list[Transition]:
    """The L - 1 transitions between neighbours of a sequence of images [B, L, 3, H, W] RGB in [0, 1]."""
    mean, std = imagenet_statistics(images)
    length = images.shape[1]
    features = model.backbone_features(((images - mean) / std).flatten(0, 1)).unflatten(0, (-1, length))
    pairs = model.match(features[:, :-1].flatten(0, 1), features[:, 1:].flatten(0, 1))
    source, target = (side.float().flatten(2).mT.unflatten(0, (-1, length - 1)) for side in pairs)
    return [Transition(source[:, t], target[:, t]) for t in range(length - 1)]


def draw(images: Tensor, flow: Tensor, path: Path) -> None:
    """Draw a PNG with a row for each pair of frames.

    A row shows both frames, the flow (hue: direction; saturation: speed), and the second frame warped back to the first by
    the flow.

    Arguments:
        images: float [B, 2, 3, H, W] RGB in [0, 1].
        flow: [B, 2, H, W] (x, y) in pixels, from the first to the second.
    """
    first, second = images.unbind(1)
    rebuilt = follow(second, flow)
    frames = [(image.clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).cpu().numpy() for image in (first, second, rebuilt)]
    columns = [frames[0], frames[1], colour_flow(flow.permute(0, 2, 3, 1).cpu().numpy()), frames[2]]
    save_mosaic(zip(*columns, strict=True), path)


def follow(image: Tensor, flow: Tensor) -> Tensor:
    """Warp images [B, 3, H, W] backward: sample each pixel at its position plus flow [B, 2, H, W] in pixels."""
    height, width = image.shape[2:]
    y, x = torch.meshgrid(*(torch.arange(side, device=flow.device) for side in (height, width)), indexing="ij")
    place = torch.stack([x, y]) + flow + 0.5
    grid = place.permute(0, 2, 3, 1) / place.new_tensor([width, height]) * 2 - 1
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)
