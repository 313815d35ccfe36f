"""Draws the predictions of a TrackMAE network for some clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.viz.draw import colour_flow, save_mosaic

from .network import Predictions, tubelets
from .sizes import EncoderConfig
from .targets.motion import CHANNELS, POINTS, SIDE, Norm, Targets, in_pixels, on_lattice
from .targets.spatial import EPS

SLOTS = 4
"""Number of tubelets of a clip in a picture, evenly spaced."""


def draw(
    video: Tensor,
    mask: Tensor,
    predicted: Predictions,
    targets: Targets | None,
    config: EncoderConfig,
    norm: Norm,
    path: Path,
    *,
    normalised: bool,
) -> None:
    """Draw a PNG with up to four rows per clip: input, reconstruction, the teacher's motion, predicted motion.

    Visible tokens are as in the input and have no predicted motion. Motion is drawn at its start, as displacement per frame;
    the hue is the direction.

    Arguments:
        video: uint8 [B, T, H, W, 3] RGB.
        mask: bool [B, N], True where a token was hidden.
        predicted: predictions for the hidden tokens. `spatial` holds pixels, `normalised` per token and colour if set.
        targets: targets of all tokens, in the unit of `norm`.
    """
    slots = torch.linspace(0, config.slots - 1, min(SLOTS, config.slots)).round().long()
    frames = slots * config.tubelet_size
    shown = [video[:, frames].cpu().numpy()]
    if predicted.spatial is not None:
        shown.append(_rebuilt(video, mask, predicted.spatial, config, normalised)[:, frames].cpu().numpy())
    if predicted.motion is not None and targets is not None:
        own = torch.zeros_like(targets.values)
        own[mask] = predicted.motion.flatten(0, 1).to(own.dtype)
        shown += [_coloured(values, config, norm)[:, slots.numpy()] for values in (targets.values, own)]
    save_mosaic([row[clip] for clip in range(len(video)) for row in shown], path)


def _rebuilt(video: Tensor, mask: Tensor, pixels: Tensor, config: EncoderConfig, normalised: bool) -> Tensor:
    """uint8 [B, T, H, W, 3]: the prediction for hidden tokens, with the true mean and deviation."""
    cut = tubelets(video.permute(0, 4, 1, 2, 3).float() / 255, config).unflatten(2, (3, -1))
    guess = pixels.float().flatten(0, 1).unflatten(1, (-1, 3)).mT
    if normalised:
        guess = guess * (cut[mask].std(dim=2, keepdim=True) + EPS) + cut[mask].mean(dim=2, keepdim=True)
    cut[mask] = guess
    s, t, g, p = config.slots, config.tubelet_size, config.grid, config.patch_size
    whole = cut.view(-1, s, g, g, 3, t, p, p).permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(video.shape)
    frames: Tensor = (whole.clamp(0, 1) * 255).byte()
    return frames


def _coloured(values: Tensor, config: EncoderConfig, norm: Norm) -> npt.NDArray[np.uint8]:
    """uint8 [B, S, H, W, 3]: motion [B, N, C] as colour.

    If motion has no size, one standard deviation is drawn as an eighth of a patch.
    """
    if norm == "patch":
        steps = values[..., : CHANNELS[norm]].unflatten(2, (POINTS, 2)) * config.patch_size / 8
    else:
        steps = in_pixels(values, config.patch_size, norm)
    lattice = on_lattice(steps / config.tubelet_size, config.slots).permute(0, 1, 3, 4, 2)
    cell = config.patch_size // SIDE
    fine = lattice.repeat_interleave(cell, dim=2).repeat_interleave(cell, dim=3)
    return colour_flow(fine.cpu().numpy())
