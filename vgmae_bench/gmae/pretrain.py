"""Pretraining of GMAE: reconstruct a masked image from Gaussians (arXiv 2501.03229). Settings cover what the paper omits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from vgmae_bench.config import Json
from vgmae_bench.errors import UsageError
from vgmae_bench.gmae.checkpoint import save_model
from vgmae_bench.gmae.gaussians import View
from vgmae_bench.gmae.network import GMAE, ImageNetwork
from vgmae_bench.models.losses import reconstruction_loss
from vgmae_bench.training.recipe import Batch, ClipShape, Losses, Recipe
from vgmae_bench.training.settings import LoopConfig
from vgmae_bench.videogmae.checkpoint import start_from
from vgmae_bench.videogmae.gaussians.gaussians import Backend
from vgmae_bench.videogmae.gaussians.pictures import GREY
from vgmae_bench.videogmae.masking import encode_part
from vgmae_bench.videogmae.network import pixel_mask
from vgmae_bench.viz.draw import save_mosaic

LossRegion = Literal["masked", "masked_patchnorm", "all"]
VARIANCE_FLOOR = 1e-6
"""Added to the variance of a patch in normalisation, as in MAE."""


@dataclass(frozen=True)
class PretrainConfig(LoopConfig):
    """Settings of pretraining.

    A clip is one image here. Validation by tracking does not apply: validate_every and validate_clips have no effect.

    Attributes:
        network: shape of the network.
        view: interpretation of the network's outputs, and the camera.
        mask_ratio: share of the patches that are hidden from the encoder.
        loss_region: pixels of the loss: "masked" (the paper's best), "masked_patchnorm" (with normalised target patches), or
            "all" (as released).
        backend: back end of splatting.

    Raises:
        UsageError: a number is out of range, or settings contradict each other.
    """

    network: ImageNetwork = field(default_factory=ImageNetwork)
    view: View = field(default_factory=View)
    validate_clips: int = 0
    mask_ratio: float = 0.75
    loss_region: LossRegion = "masked"
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        if not 0 <= self.mask_ratio < 1:
            raise UsageError("mask_ratio must lie in [0, 1)", f"it is {self.mask_ratio}")
        if self.loss_region != "all" and self.mask_ratio == 0:
            raise UsageError(
                "The loss has no pixels", f"loss_region={self.loss_region} needs masked patches, and mask_ratio is 0"
            )
        if self.network.gaussian_start == "grid" and (self.view.mean_range, self.view.camera) != ("wide", "far"):
            raise UsageError(
                "gaussian_start=grid needs mean_range=wide and camera=far",
                f"they are {self.view.mean_range} and {self.view.camera}",
                try_="--set gaussian_start=random",
            )


class Pretraining(Recipe[GMAE, Batch]):
    """The pretraining recipe of GMAE."""

    config: PretrainConfig

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__(config, lambda: GMAE(config.network))

    def init_from(self, weights: Path) -> list[str]:
        """Start from weights of GMAE or of an image MAE; see `start_from`."""
        return start_from(self.network, weights)

    def shape(self, step: int) -> ClipShape:
        """See `vgmae_bench.training.recipe.Recipe.shape`."""
        return ClipShape(1, self.config.network.image_size)

    def forward(self, batch: Batch, step: int) -> Losses:
        """The mean squared error of the rendered images."""
        rendered, mask = self.rebuild(batch, self.config.mask_ratio)
        images = batch.video.float() / 255
        loss = image_loss(rendered, images, mask, self.config.loss_region, self.config.network)
        return Losses(loss, {"reconstruction": loss.detach()})

    def rebuild(self, batch: Batch, mask_ratio: float) -> tuple[Tensor, Tensor]:
        """Reconstructions [B, 1, S, S, 3] from the visible patches, and the mask, bool [B, L], True where a patch is hidden."""
        encoded = encode_part(self.network, batch, mask_ratio)
        gaussians = self.config.view.gaussians(self.network.decode(encoded).float())
        size = self.config.network.image_size
        return self.config.view.render(gaussians, size, size, self.config.backend), encoded.mask

    def export(self, path: Path, source: Json) -> None:
        """See `vgmae_bench.training.recipe.Recipe.export`."""
        save_model(path, self.network, self.config.view, source)

    def tracker(self, device: str) -> None:
        """None: GMAE does not track."""
        return

    def pictures(self, batch: Batch, path: Path) -> None:
        """Draw each image, its visible part, the reconstruction from that part, and the reconstruction from all patches."""
        with torch.no_grad():
            masked, mask = self.rebuild(batch, self.config.mask_ratio)
            whole, _ = self.rebuild(batch, 0.0)
        hidden = pixel_mask(mask, self.config.network)[..., None]
        shown = torch.where(hidden, GREY, batch.video).to(torch.uint8)
        rebuilt = ((picture.clamp(0, 1) * 255).round().byte() for picture in (masked, whole))
        columns = (column[:, 0].cpu().numpy() for column in (batch.video, shown, *rebuilt))
        save_mosaic(zip(*columns, strict=True), path)


def image_loss(rendered: Tensor, images: Tensor, mask: Tensor, region: LossRegion, config: ImageNetwork) -> Tensor:
    """Mean squared error over masked pixels (the paper's best loss), or one of the paper's other losses.

    Arguments:
        rendered, images: [B, 1, H, W, 3] RGB in [0, 1].
        mask: bool [B, L], True where a patch was removed, in raster order.
        region: "masked": masked pixels. "masked_patchnorm": the same, and each patch of the target is normalised by its own
            mean and standard deviation, as MAE can do. Gaussian colours in [0, 1] cannot reach these targets; this is the worst
            of the paper's three losses. "all": all pixels, as in the released image path.
    """
    if region == "all":
        return reconstruction_loss(rendered, images, "mean")
    target = patch_normalised(images, config) if region == "masked_patchnorm" else images
    return reconstruction_loss(rendered, target, "mean", pixel_mask(mask, config))


def patch_normalised(images: Tensor, config: ImageNetwork) -> Tensor:
    """[B, 1, H, W, 3]: the 3 p² values of each patch get mean 0 and unbiased variance 1. Constant patches become 0."""
    g, p = config.grid, config.patch_size
    patches = images.reshape(-1, g, p, g, p, 3)
    mean = patches.mean(dim=(2, 4, 5), keepdim=True)
    variance = patches.var(dim=(2, 4, 5), keepdim=True)
    return ((patches - mean) / (variance + VARIANCE_FLOOR).sqrt()).view_as(images)
