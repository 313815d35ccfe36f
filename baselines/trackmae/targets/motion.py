"""Targets of the motion decoder: the motion of the points that start in a patch, from a teacher's tracks.

Targets belong to points, not to places. The token of tubelet t of a tube predicts the step of those points that *started* in
its patch in the first frame, wherever they are now (TrackMAE's official code, rvandeghen/TrackMAE 3e7db78).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.errors import UsageError
from vgmae_bench.settings import at_least

Norm = Literal["patch", "none", "units", "patch+mean"]

SIDE = 2
"""Number of points along a side of a patch."""
POINTS = SIDE**2
"""Number of points of a token, in raster order."""
_EPS = 1e-6

CHANNELS: dict[Norm, int] = {"patch": 2 * POINTS, "none": 2 * POINTS, "units": 2 * POINTS, "patch+mean": 2 * POINTS + 2}
"""Number of values per token. The first eight are sub-point major: x0, y0, x1, y1, …"""


@dataclass(frozen=True)
class MotionConfig:
    """Settings of converting tracks to targets.

    Attributes:
        motion_norm: normalisation of displacements over one tubelet. "patch" (official): each coordinate is standardised over
            the four points of a token. This removes the token's motion and leaves only the direction of its gradient. "none":
            pixels. "units": patches. "patch+mean": "patch", plus the mean displacement in patches.
        motion_var_floor: assumed noise in pixels when the points of a patch are standardised: (d - mean) / sqrt(variance +
            floor²). With 0 (official), the tracker's noise on rigid motion is amplified to full strength.
        motion_visibility_weight: learn only from points that the teacher sees at both ends of a step. The official code
            learns from all points. If points are standardised together, all four of a token must be visible.
        motion_drop_last: learn nothing from the last tubelet, whose step would end after the clip. The official code repeats
            the previous step.
        upsample_tracks: the teacher tracks one point per patch, and positions are interpolated to four (official). Their
            lattice then extends from the first patch's centre to the last one's. Otherwise, the teacher tracks all four.

    Raises:
        UsageError: a value is out of range.
    """

    motion_norm: Norm = "units"
    motion_var_floor: float = 0.25
    motion_visibility_weight: bool = True
    motion_drop_last: bool = True
    upsample_tracks: bool = False

    def __post_init__(self) -> None:
        at_least(self, motion_var_floor=0)


class Targets(NamedTuple):
    """Targets and weights of tokens.

    Attributes:
        values: float [B, N, C], with C from `CHANNELS`.
        weights: float [B, N, C], 1 where the target counts, otherwise 0.
    """

    values: Tensor
    weights: Tensor


def motion_targets(xy: Tensor, visible: Tensor, patch_size: int, config: MotionConfig) -> Targets:
    """Compute the targets of all tokens.

    Arguments:
        xy: float [B, P, S, 2], pixels, in the first frame of each of S tubelets. P points on a square lattice in raster
            order: four per patch, or one if they are to be interpolated.
        visible: bool [B, P, S].
        patch_size: side of a patch in pixels.
    """
    if config.upsample_tracks:
        xy, visible = upsample(xy), upsample(visible[..., None].float())[..., 0] > 1 - 1e-4
    steps = by_token(displacements(xy))
    seen = torch.ones_like(steps[..., 0])
    if config.motion_visibility_weight:
        seen = by_token((visible & _last_repeated(visible[:, :, 1:])).transpose(1, 2)[..., None])[..., 0].float()
    if config.motion_drop_last:
        seen.unflatten(1, (xy.shape[2], -1))[:, -1] = 0
    values = normalised(steps, patch_size, config)
    if config.motion_norm in ("patch", "patch+mean"):
        return Targets(values, seen.amin(dim=2, keepdim=True).expand_as(values))
    return Targets(values, seen.repeat_interleave(2, dim=2))


def upsample(values: Tensor) -> Tensor:
    """Interpolate [B, g * g, S, C] on a square lattice to [B, 4 * g * g, S, C], bilinear with align_corners."""
    B, P, S, C = values.shape
    side = round(P**0.5)
    grid = values.permute(0, 2, 3, 1).reshape(B * S, C, side, side)
    fine = F.interpolate(grid, scale_factor=float(SIDE), mode="bilinear", align_corners=True)
    return fine.view(B, S, C, -1).permute(0, 3, 1, 2)


def displacements(xy: Tensor) -> Tensor:
    """Steps [B, S, P, 2] between positions [B, P, S, 2]. The last step repeats the one before it.

    Raises:
        ValueError: there are fewer than two positions.
    """
    if xy.shape[2] < 2:
        raise ValueError("motion needs at least two positions")
    return _last_repeated(xy.diff(dim=2)).transpose(1, 2)


def by_token(values: Tensor) -> Tensor:
    """Rearrange [B, S, P, C] (points on a square lattice) to [B, S * P / 4, 4, C] (tokens and their points)."""
    B, S, P, C = values.shape
    grid = round(P**0.5) // SIDE
    cut = values.reshape(B, S, grid, SIDE, grid, SIDE, C)
    return cut.permute(0, 1, 2, 4, 3, 5, 6).reshape(B, S * grid * grid, POINTS, C)


def on_lattice(values: Tensor, slots: int) -> Tensor:
    """Invert `by_token`: rearrange [B, S * P / 4, 4, C] (tokens) to [B, S, C, side, side] (lattice of points)."""
    B, N, _, C = values.shape
    grid = round((N // slots) ** 0.5)
    cut = values.reshape(B, slots, grid, grid, SIDE, SIDE, C)
    return cut.permute(0, 1, 6, 2, 4, 3, 5).reshape(B, slots, C, grid * SIDE, grid * SIDE)


def normalised(steps: Tensor, patch_size: int, config: MotionConfig) -> Tensor:
    """Targets [B, N, C] of steps [B, N, 4, 2] in pixels; see `MotionConfig.motion_norm`."""
    match config.motion_norm:
        case "none":
            return steps.flatten(2)
        case "units":
            return steps.flatten(2) / patch_size
        case _:
            mean = steps.mean(dim=2, keepdim=True)
            values = ((steps - mean) / _deviation(steps, config.motion_var_floor)).flatten(2)
            return values if config.motion_norm == "patch" else torch.cat([values, mean[:, :, 0] / patch_size], dim=2)


def in_pixels(predicted: Tensor, patch_size: int, norm: Norm) -> Tensor:
    """Steps [B, N, 4, 2] in pixels of predictions [B, N, C]. With "patch+mean", all four points get the mean step.

    Raises:
        UsageError: `norm` is "patch", which does not contain the size of steps.
    """
    require_motion(norm)
    if norm == "patch+mean":
        return (predicted[:, :, None, -2:] * patch_size).expand(-1, -1, POINTS, -1)
    steps: Tensor = predicted.unflatten(2, (POINTS, 2)) * (patch_size if norm == "units" else 1)
    return steps


def require_motion(norm: Norm) -> None:
    """Raise UsageError if predictions do not contain the size of motion."""
    if norm == "patch":
        raise UsageError(
            'Predictions with motion_norm="patch" cannot track',
            "each token's displacements were standardised, so that neither their mean nor their size is left: "
            "every translation has the same target, zero",
            try_="weights trained with motion_norm=units or patch+mean",
        )


def motion_loss(predicted: Tensor, targets: Targets) -> Tensor:
    """Mean squared error over the targets that count, first within each clip, then over clips."""
    wrong = ((predicted - targets.values).square() * targets.weights).sum(dim=(1, 2))
    return (wrong / targets.weights.sum(dim=(1, 2)).clamp(min=1)).mean()


def _deviation(steps: Tensor, floor: float) -> Tensor:
    if floor:
        return (steps.var(dim=2, keepdim=True) + floor**2).sqrt()
    return steps.std(dim=2, keepdim=True) + _EPS


def _last_repeated(values: Tensor) -> Tensor:
    return torch.cat([values, values[:, :, -1:]], dim=2)
