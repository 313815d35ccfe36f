"""A reconstruction loss from which small networks learn motion. It adds our changes to the paper's squared error.

At first, the squared error of later frames shows little about motion. Most of it is detail that the Gaussians cannot show,
in frame 0 as well as later. And the gradient of a single Gaussian is mostly noise: if it moves alone, its neighbours cover the
gap. Five changes help. Each has its own setting (`MotionLoss`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.devices import constant
from vgmae_bench.errors import UsageError
from vgmae_bench.videogmae.gaussians.blur import blurred
from vgmae_bench.videogmae.gaussians.gaussians import Backend, Camera, Composite, Gaussians, render_video
from vgmae_bench.videogmae.gaussians.motion import projected_centres

CarryError = Literal["off", "fixed", "moving"]


@dataclass(frozen=True)
class MotionLoss:
    """How later frames are compared. The defaults are the paper's loss.

    Attributes:
        motion_only: later frames train only the motion of the Gaussians. Scales, rotations, opacities, colours and first
            positions get no gradient from them.
        neighbour_gradients: the gradient of each Gaussian's displacement becomes a weighted sum over the 3 × 3 Gaussians
            around its anchor, as if they moved together.
        preconditioning: factor λ of a Gauss-Newton step on motion; 0 turns it off. The gradient of each Gaussian's
            displacement is multiplied by the inverse of (local structure tensor of the target + λ times its mean): a
            Gauss-Newton step (Lucas and Kanade, IJCAI 1981). In clips of T frames it is also scaled by 2 / T, because
            displacements are sums of steps, and every later frame adds to the gradient of the first step.
        carry_error: the reconstruction error of frame 0 moves with the Gaussians and is added to later frames. Thus detail
            that no Gaussian can show is not an error there. "fixed": without gradient. "moving": with the gradient of the
            motion, so that this detail helps to place the Gaussians. "off": as in the paper.
        blurs: standard deviations in 64ths of the frame's width. Later frames are compared after each blur, and the losses
            are averaged. 0 is no blur. Empty means (0,).
    """

    motion_only: bool = False
    neighbour_gradients: bool = False
    preconditioning: float = 0.0
    carry_error: CarryError = "off"
    blurs: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.preconditioning < 0 or any(blur < 0 for blur in self.blurs):
            raise UsageError("preconditioning and blurs must be 0 or more", str(self))

    @property
    def plain(self) -> bool:
        """Whether this is the paper's loss."""
        return self == MotionLoss()


def reconstruct(
    gaussians: Gaussians, target: Tensor, camera: Camera, loss: MotionLoss, mode: Composite, backend: Backend
) -> Tensor:
    """The squared error of the rendered clips under `loss`, averaged over pixels, frames and clips.

    Arguments:
        gaussians: of square frames. Their number is a square; they are in raster order of their anchors.
        target: [B, T, S, S, 3], RGB in [0, 1].
    """
    size = target.shape[2]
    blurs = [blur * size / 64 for blur in loss.blurs or (0.0,)]
    moved = gaussians.means[:, 1:] - gaussians.means[:, :1]
    if loss.neighbour_gradients and moved.requires_grad:
        moved.register_hook(_with_neighbours)
    if loss.preconditioning and moved.requires_grad:
        with torch.no_grad():
            smooth = blurred(target[:, 1:], min((blur for blur in blurs if blur), default=0.0))
            tensor = _structure(smooth, projected_centres(gaussians.means, gaussians, camera)[:, 1:])
        scale = 2 / target.shape[1]
        moved.register_hook(lambda gradient: scale * _newton(gradient, tensor, loss.preconditioning))
    first, held = gaussians.means[:, :1], Gaussians(*(values.detach() for values in gaussians))
    path = torch.cat([first, first.detach() + moved if loss.motion_only else first + moved], dim=1)
    if loss.motion_only:
        shown = render_video(Gaussians(first, *gaussians[1:4], gaussians.colors[:, :1]), camera, mode, backend)
        later = Gaussians(path[:, 1:], *held[1:4], held.colors[:, 1:])
        image = torch.cat([shown, render_video(later, camera, mode, backend)], dim=1)
    else:
        image = render_video(gaussians._replace(means=path), camera, mode, backend)
    error = image - target
    later_error = error[:, 1:]
    if loss.carry_error != "off":
        with torch.set_grad_enabled(loss.carry_error == "moving" and torch.is_grad_enabled()):
            carried = _carried(error[:, :1].detach(), projected_centres(path, held, camera))
        later_error = later_error - carried
    # Blur reduces the error. The weight compensates for its noise-like part.
    squares = [(1 + blur**2) * blurred(later_error, blur).square().mean() for blur in blurs]
    T = target.shape[1]
    return (error[:, :1].square().mean() + (T - 1) * torch.stack(squares).mean()) / T


def _structure(video: Tensor, xy: Tensor) -> Tensor:
    """The structure tensor (xx, xy, yy) of frames [B, T, S, S, 3] around positions xy [B, T, G, 2]: [B, T, G, 3]."""
    frames = video.flatten(0, 1)
    across, down = torch.gradient(frames, dim=(2, 1))
    products = torch.stack([(across * across).sum(-1), (across * down).sum(-1), (down * down).sum(-1)], dim=1)
    for window in (5, 3):
        products = F.avg_pool2d(products, window, 1, window // 2, count_include_pad=False)
    at = (xy.flatten(0, 1) * (2 / video.shape[2]) - 1)[:, :, None]
    read: Tensor = F.grid_sample(products, at, padding_mode="border", align_corners=False)[..., 0].mT
    around: Tensor = read.unflatten(0, xy.shape[:2])
    return around


def _with_neighbours(gradient: Tensor) -> Tensor:
    """Sum gradients [B, T, G, 3] of Gaussians on a square grid over 3 × 3 neighbours, with binomial weights that sum to 1."""
    B, T, G, _ = gradient.shape
    side = round(G**0.5)
    line = constant((1.0, 2.0, 1.0), gradient)
    kernel = (line[:, None] * line / 16).expand(3, 1, 3, 3)
    maps = gradient.flatten(0, 1).mT.unflatten(2, (side, side))
    summed: Tensor = F.conv2d(maps, kernel, padding=1, groups=3).flatten(2).mT.unflatten(0, (B, T))
    return summed


def _newton(gradient: Tensor, tensor: Tensor, damping: float) -> Tensor:
    """Divide gradients [..., 3] of displacements (world units) by a structure tensor (xx, xy, yy) [..., 3]. Depth becomes 0."""
    mean = (tensor[..., 0] + tensor[..., 2]).mean() / 2
    xx, xy, yy = tensor.unbind(-1)
    xx, yy = xx + damping * mean, yy + damping * mean
    x, y, _ = gradient.unbind(-1)
    over = mean / (xx * yy - xy * xy).clamp(min=1e-20)
    return torch.stack([(yy * x - xy * y) * over, (xx * y - xy * x) * over, torch.zeros_like(x)], dim=-1)


def _carried(error: Tensor, centres: Tensor) -> Tensor:
    """The error [B, 1, S, S, 3] of frame 0, moved with Gaussians of centres [B, T, G, 2]: [B, T - 1, S, S, 3]."""
    (B, T, G, _), size = centres.shape, error.shape[2]
    side = round(G**0.5)
    moved = (centres[:, 1:] - centres[:, :1]).mT.unflatten(3, (side, side)).flatten(0, 1)
    flow = F.interpolate(moved, size=(size, size), mode="bilinear", align_corners=False)
    ticks = torch.arange(size, dtype=error.dtype, device=error.device) + 0.5
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    came_from = (torch.stack([x, y], dim=-1) - flow.movedim(1, -1)) * (2 / size) - 1
    planes = error.expand(-1, T - 1, -1, -1, -1).flatten(0, 1).permute(0, 3, 1, 2)
    moved_error = F.grid_sample(planes, came_from, padding_mode="border", align_corners=False)
    carried: Tensor = moved_error.permute(0, 2, 3, 1).unflatten(0, (B, T - 1))
    return carried
