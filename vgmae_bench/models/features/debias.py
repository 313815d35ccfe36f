"""Removes from features what depends on the place only, not on the content.

Position embeddings leak into features. Points then seem to stay where they are. A part of the features that is equal at a
place in all clips cannot describe the clip.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from vgmae_bench.models.features.encoder import PatchEncoder, encode_frames


@dataclass(frozen=True, eq=False)
class Debias:
    """A correction of feature maps.

    Attributes:
        mean: float32 [slots, h, w, C], the mean feature of each place.
        basis: float32 [C, D] or None; the features minus the mean are multiplied by it.
    """

    mean: Tensor
    basis: Tensor | None = None

    def __call__(self, maps: Tensor) -> Tensor:
        """Correct maps [n, h, w, C] of the first n frames of a clip. Returns [n, h, w, D]."""
        left = maps - self.mean[: len(maps)]
        return left if self.basis is None else left @ self.basis


def calibrate(encoder: PatchEncoder, clips: Iterable[Tensor], *, drop: int = 0, whiten: bool = False) -> Debias:
    """Compute the correction from some clips.

    Arguments:
        clips: float32 [slots, 3, S, S] each, ImageNet-normalised. They must not be clips of the evaluation.
        drop: number of principal components to remove, largest first, after the mean is subtracted.
        whiten: scale the remaining components to about equal variance (plus a tenth of the mean variance, against noise).
    """
    total, moment, count = None, None, 0
    for images in clips:  # sums, because the maps of all clips can take gigabytes
        count += 1
        maps = encode_frames(encoder, images).double()
        total = maps if total is None else total + maps
        if drop or whiten:
            flat = maps.flatten(0, 2)
            moment = flat.T @ flat if moment is None else moment + flat.T @ flat
    if total is None:
        raise ValueError("calibration needs at least one clip")
    mean = total / count
    if moment is None:
        return Debias(mean.float())
    flat = mean.flatten(0, 2)
    variance, axes = torch.linalg.eigh(moment / (count * len(flat)) - flat.T @ flat / len(flat))
    variance, axes = variance.flip(0)[drop:].clamp(min=0), axes.flip(1)[:, drop:]
    if whiten:
        axes = axes / (variance + 0.1 * variance.mean()).sqrt()
    return Debias(mean.float(), axes.float())
