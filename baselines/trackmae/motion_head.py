"""Tracks points by the motion decoder: every tube is predicted while others are visible, and predicted steps are summed.

The decoder was trained on masked tokens only, so its predictions for visible tokens are meaningless. So there are several
passes with different visible tubes, as many as in training. Each tube is predicted in all passes in which it is hidden.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.devices import to_device

from .checkpoint import Trained
from .network import TrackMAE
from .sizes import NetworkConfig
from .targets.masking import shown_tubes
from .targets.motion import SIDE, in_pixels, on_lattice, require_motion

GOLDEN = (math.sqrt(5) - 1) / 2


class MotionField(NamedTuple):
    """The motion of a lattice of points in a clip's first frame.

    Attributes:
        moved: float [S, 2, side, side], displacement in pixels up to the first frame of each tubelet; 0 for the first tubelet.
        spread: float [S, side, side], its standard deviation over the passes, in pixels.
    """

    moved: Tensor
    spread: Tensor


class WindowTracks(NamedTuple):
    """Tracks in the first n frames of a clip, up to the first frame of its last tubelet.

    Attributes:
        xy: float [M, n, 2], positions in raster pixels.
        spread: float [M, n], standard deviation over the passes in pixels.
    """

    xy: Tensor
    spread: Tensor


class MotionHead:
    """Tracks with a network. The number of passes over a clip is such that every tube is visible once.

    Raises:
        UsageError: the network's predictions do not contain the size of motion; see
            `vgmae_baselines.trackmae.targets.motion.require_motion`.
    """

    def __init__(self, network: TrackMAE, trained: Trained) -> None:
        require_motion(trained.motion_norm)
        self._network, self._trained = network, trained
        self._turns = turns(network.config, trained.mask_ratio)

    def field(self, video: Tensor) -> MotionField:
        """The motion of a clip, float [1, 3, T, H, W], ImageNet-normalised."""
        config = self._network.config
        paths, known = [], []
        for shown in self._turns:
            hidden = torch.ones(config.tubes, dtype=torch.bool).index_fill_(0, shown, False)
            mask = hidden.repeat(config.slots)
            predicted = self._network.predict_motion(video, mask[None]).float()
            steps = video.new_zeros(1, config.num_tokens, SIDE**2, 2)
            moving = in_pixels(predicted, config.patch_size, self._trained.motion_norm)
            steps[:, to_device(mask.nonzero()[:, 0], video.device)] = moving
            walked = on_lattice(steps, config.slots)[0].cumsum(dim=0)
            paths.append(torch.cat([torch.zeros_like(walked[:1]), walked[:-1]]))
            hidden = to_device(hidden, video.device)
            known.append(hidden.view(config.grid, -1).repeat_interleave(SIDE, 0).repeat_interleave(SIDE, 1))
        path, weight = torch.stack(paths), torch.stack(known).float()[:, None, None]
        mean = (path * weight).sum(0) / weight.sum(0)
        variance = ((path - mean).square() * weight).sum(0) / weight.sum(0)
        return MotionField(mean, variance.sum(dim=1).sqrt())

    def track(self, video: Tensor, xy: Tensor) -> WindowTracks:
        """Track points from xy, float [M, 2] (pixels), in the first frame of a clip."""
        config, field = self._network.config, self.field(video)
        margin = config.patch_size / (2 if self._trained.upsample_tracks else 2 * SIDE)
        places = 2 * (xy - margin) / (config.image_size - 2 * margin) - 1  # -1 and 1 at the outermost points
        maps = torch.cat([field.moved, field.spread[:, None]], dim=1).flatten(0, 1)[None]
        read = F.grid_sample(maps, places[None, None], padding_mode="border", align_corners=True)
        knots = read[0, :, 0].mT.unflatten(1, (config.slots, 3))
        each = _in_between(knots, config.tubelet_size)
        return WindowTracks(xy[:, None] + each[..., :2], each[..., 2])


def turns(config: NetworkConfig, mask_ratio: float) -> list[Tensor]:
    """Groups of tubes (int64 ids), one group visible per pass, about as large as in training, spread over the frame."""
    count = max(2, math.ceil(config.tubes / shown_tubes(config.tubes, mask_ratio)))
    row, column = torch.arange(config.tubes).div(config.grid, rounding_mode="floor"), torch.arange(config.tubes)
    order = ((column % config.grid + row * round(count * GOLDEN)) % count).argsort(stable=True)
    return list(order.tensor_split(count))


def _in_between(knots: Tensor, spacing: int) -> Tensor:
    """Interpolate [M, S, C] to [M, (S - 1) * spacing + 1, C], linearly in time."""
    frames = torch.arange((knots.shape[1] - 1) * spacing + 1, device=knots.device)
    before = frames // spacing
    after = (before + 1).clamp(max=knots.shape[1] - 1)
    share = (frames % spacing).to(knots.dtype) / spacing
    return knots[:, before].lerp(knots[:, after], share[:, None])
