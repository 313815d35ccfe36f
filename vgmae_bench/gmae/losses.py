"""The loss of GMAE: reconstruct the hidden part of an image."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vgmae_bench.models.losses import reconstruction_loss
from vgmae_bench.videogmae.network import pixel_mask
from vgmae_bench.videogmae.sizes import NetworkConfig

LossRegion = Literal["masked", "masked_patchnorm", "all"]
VARIANCE_FLOOR = 1e-6
"""Added to the variance of a patch in normalisation, as in MAE."""


def image_loss(rendered: Tensor, images: Tensor, mask: Tensor, region: LossRegion, config: NetworkConfig) -> Tensor:
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


def patch_normalised(images: Tensor, config: NetworkConfig) -> Tensor:
    """[B, 1, H, W, 3]: the 3 p² values of each patch get mean 0 and unbiased variance 1. Constant patches become 0."""
    g, p = config.grid, config.patch_size
    patches = images.reshape(-1, g, p, g, p, 3)
    mean = patches.mean(dim=(2, 4, 5), keepdim=True)
    variance = patches.var(dim=(2, 4, 5), keepdim=True)
    return ((patches - mean) / (variance + VARIANCE_FLOOR).sqrt()).view_as(images)
