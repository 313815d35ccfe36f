"""Maps of features, one a frame, from an encoder that looks at clips: frame duplication, shift and stitch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.errors import UsageError

Clean = Callable[[Tensor], Tensor]
"""What is done to maps [n, h, w, C] as they come from the encoder, before they are compared with others."""


class PatchEncoder(Protocol):
    """What a video encoder has to provide to track by its features.

    Attributes:
        num_frames: T, frames of the clips it takes.
        image_size: their side S, pixels.
        patch_size: side of a patch, pixels; divides S.
        time_stride: frames of the clip for each map of features; divides T.
    """

    @property
    def num_frames(self) -> int:
        """Frames T of a clip."""
        ...

    @property
    def image_size(self) -> int:
        """Side S of the frames, pixels."""
        ...

    @property
    def patch_size(self) -> int:
        """Side of a patch, pixels."""
        ...

    @property
    def time_stride(self) -> int:
        """Frames of a patch."""
        ...

    def patch_features(self, video: Tensor) -> Tensor:
        """Features of every patch: float32 [B, 3, T, S, S], ImageNet-normalised RGB, to float [B, T / time_stride, h, w, C].

        h = w = S / patch_size; patches are in raster order.
        """
        ...


def slots(encoder: PatchEncoder) -> int:
    """How many frames are looked at together, each filling the frames of one map."""
    return encoder.num_frames // encoder.time_stride


def encode_frames(encoder: PatchEncoder, images: Tensor) -> Tensor:
    """A map for each of some frames. Each is shown for as long as a map lasts, so that maps are of instants.

    Arguments:
        images: float32 [n, 3, S, S], ImageNet-normalised; n is at most `slots`, the last one fills the rest of the clip.

    Returns:
        float32 [n, h, w, C].
    """
    shown = torch.cat([images, images[-1:].expand(slots(encoder) - len(images), -1, -1, -1)])
    clip = shown.repeat_interleave(encoder.time_stride, dim=0).transpose(0, 1)[None]
    return encoder.patch_features(clip)[0, : len(images)].float()


def stitched_maps(encoder: PatchEncoder, images: Tensor, factor: int, clean: Clean) -> Tensor:
    """Maps of `factor` times the encoder's resolution, interleaved from those of shifted frames.

    Shifts lie symmetrically around none, so that the cells of the result divide the frame evenly: cell (i, j) is centred on
    ((j + 1/2) c, (i + 1/2) c) with c = patch_size / factor. Beyond its border, the frame's outermost pixels go on.

    Arguments:
        images: as for `encode_frames`.
        factor: squared, the number of passes through the encoder.
        clean: applied to the maps of each shift.

    Returns:
        float32 [n, h * factor, w * factor, C], of unit length.

    Raises:
        UsageError: the factor would shift by parts of a pixel.
    """
    twice = [(2 * step + 1 - factor) * encoder.patch_size for step in range(factor)]
    if any(shift % (2 * factor) for shift in twice):
        raise UsageError(
            f"Patches of {encoder.patch_size} pixels cannot be stitched {factor} times as finely",
            "frames would be shifted by parts of a pixel",
            try_="stitch=1 or stitch=2",
        )
    shifts = [shift // (2 * factor) for shift in twice]
    margin, size = shifts[-1], encoder.image_size
    padded = F.pad(images, (margin, margin, margin, margin), mode="replicate")
    fine: Tensor | None = None
    for row, down in enumerate(shifts):
        for column, across in enumerate(shifts):
            top, left = margin + down, margin + across
            maps = clean(encode_frames(encoder, padded[..., top : top + size, left : left + size]))
            if fine is None:
                n, height, width, channels = maps.shape
                fine = maps.new_empty(n, height * factor, width * factor, channels)
            fine[:, row::factor, column::factor] = F.normalize(maps, dim=-1)
    assert fine is not None  # a factor is at least 1
    return fine
