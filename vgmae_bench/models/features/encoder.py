"""Feature maps, one per frame, from an encoder of clips: by duplication of frames, and by shifting and stitching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.errors import UsageError

Clean = Callable[[Tensor], Tensor]
"""A function that corrects maps [n, h, w, C] of the encoder before comparison."""


class PatchEncoder(Protocol):
    """A video encoder for tracking by features.

    Attributes:
        num_frames: T, frames per clip.
        image_size: S, side of the frames in pixels.
        patch_size: side of a patch in pixels; it divides S.
        time_stride: frames of the clip per feature map; it divides T.
    """

    num_frames: int
    image_size: int
    patch_size: int
    time_stride: int

    def patch_features(self, video: Tensor) -> Tensor:
        """Features, float [B, T / time_stride, h, w, C], of clips, float32 [B, 3, T, S, S], ImageNet-normalised RGB.

        h = w = S / patch_size; patches are in raster order.
        """


def slots(encoder: PatchEncoder) -> int:
    """Number of frames that are encoded together. Each frame fills all frames of one feature map."""
    return encoder.num_frames // encoder.time_stride


def encode_frames(encoder: PatchEncoder, images: Tensor) -> Tensor:
    """One feature map per frame. Each frame is repeated `time_stride` times, so that a map shows one instant.

    Arguments:
        images: float32 [n, 3, S, S], ImageNet-normalised. n is at most `slots`; the last frame fills the rest of the clip.

    Returns:
        float32 [n, h, w, C].
    """
    shown = torch.cat([images, images[-1:].expand(slots(encoder) - len(images), -1, -1, -1)])
    clip = shown.repeat_interleave(encoder.time_stride, dim=0).transpose(0, 1)[None]
    return encoder.patch_features(clip)[0, : len(images)].float()


def stitched_maps(encoder: PatchEncoder, images: Tensor, factor: int, clean: Clean) -> Tensor:
    """Maps with `factor` times the encoder's resolution, interleaved from the maps of shifted frames.

    Shifts are symmetric around 0, so the cells of the result divide the frame evenly. Cell (i, j) has the centre
    ((j + 1/2) c, (i + 1/2) c) with c = patch_size / factor. The frame's border pixels are repeated outside the frame.

    Arguments:
        images: as for `encode_frames`.
        factor: the encoder runs factor² times.
        clean: applied to the maps of each shift.

    Returns:
        float32 [n, h * factor, w * factor, C], unit vectors.

    Raises:
        UsageError: the shifts would not be whole pixels.
    """
    twice = [(2 * step + 1 - factor) * encoder.patch_size for step in range(factor)]
    if any(shift % (2 * factor) for shift in twice):
        raise UsageError(
            f"Patches of {encoder.patch_size} pixels cannot be stitched {factor} times as finely",
            "shifts would not be whole pixels",
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
