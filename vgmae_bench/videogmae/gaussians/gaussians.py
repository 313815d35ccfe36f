"""Turns the network's 14 numbers per Gaussian into a scene: activations, fixed camera, rendered video.

Sources: Baranwal et al., arXiv 2512.22489, and the behaviour of the official code (tekotan/video-gmae c630810).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from vgmae_bench.devices import constant
from vgmae_bench.splatting import render

Residuals = Literal["both", "position", "colour", "none"]
RgbMode = Literal["absolute", "frame0_logit", "frame0_scaled", "cumulative"]
Composite = Literal["official", "over", "black"]
Backend = Literal["auto", "gsplat", "native", "torch"]

SCENE_HALF_WIDTH = 5.0
"""Means of frame 0 lie in [-5, 5]³ world units."""
LARGEST_STEP = 0.5
"""Upper limit on the motion of a mean per frame and axis, in world units."""
SCENE_DEPTH = 8.0
"""The camera is at z = -8 world units and looks along +z."""


class Gaussians(NamedTuple):
    """A clip as G Gaussians that keep their identity over T frames.

    World axes: x right, y down, z forward.

    Attributes:
        means: [B, T, G, 3], world units.
        scales: [B, G, 3], standard deviations in world units, in (0, scale_factor).
        quats: [B, G, 4], unit quaternions (w, x, y, z).
        opacities: [B, G], in (0, 1).
        colors: [B, T, G, 3], RGB in [0, 1].
    """

    means: Tensor
    scales: Tensor
    quats: Tensor
    opacities: Tensor
    colors: Tensor

    @property
    def cloud(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Means, quats, scales and opacities, as `vgmae_bench.splatting.render` takes them: [B, T or 1, G, …]."""
        return self.means, self.quats[:, None], self.scales[:, None], self.opacities[:, None]


class Camera(NamedTuple):
    """A pinhole camera. `viewmat` [4, 4] is world to camera; `K` [3, 3] and the size are in pixels."""

    viewmat: Tensor
    K: Tensor
    height: int
    width: int


@dataclass(frozen=True)
class Activation:
    """How raw network outputs become Gaussians. Part of the weights: fixed when they were trained.

    Attributes:
        residuals: what can change after frame 0; the rest is constant. The paper's ablation of its deltas.
        mean_deltas: True: later rows hold steps that accumulate. False: every row holds a position.
        rgb_mode: the colours c_t of later rows; x are their raw values.
            "absolute": c_t = sigmoid(x_t), the official default.
            "frame0_logit": c_t = sigmoid(x_0 + x_t).
            "frame0_scaled": c_t = clamp(sigmoid(x_0) + rgb_scale · sigmoid(x_t)), which can only brighten.
            "cumulative": c_t = sigmoid(x_0 + … + x_t), the residuals of the paper. The paper does not say in which space
            they are added; logits keep colours in range.
        rgb_scale: factor of "frame0_scaled".
        scale_factor: the largest standard deviation in world units.
    """

    residuals: Residuals = "both"
    mean_deltas: bool = True
    rgb_mode: RgbMode = "absolute"
    rgb_scale: float = 1.0
    scale_factor: float = 1.0


def activate(x: Tensor, activation: Activation) -> Gaussians:
    """Turn raw outputs x [B, T, G, 14] (mean 3, scale 3, rotation 4, colour 3, opacity 1) into Gaussians.

    In the rows of frames t >= 1, only mean and colour are used. Scale, rotation and opacity are those of frame 0.
    """
    first = x[:, 0]
    means, colors = _means(x[..., :3], activation.mean_deltas), _colors(x[..., 10:13], activation)
    if activation.residuals not in ("both", "position"):
        means = means[:, :1].expand_as(means)
    if activation.residuals not in ("both", "colour"):
        colors = colors[:, :1].expand_as(colors)
    return Gaussians(
        means=means,
        scales=activation.scale_factor * first[..., 3:6].sigmoid(),
        quats=_shoemake(first[..., 6:9].sigmoid()),
        opacities=first[..., 13].sigmoid(),
        colors=colors,
    )


def fixed_camera(height: int, width: int, like: Tensor, distance: float = SCENE_DEPTH) -> Camera:
    """The camera of all clips: f = W/2 (a view of 90°), on the device and in the dtype of `like`.

    If frames are not square, the vertical focal length is f·W/H, as in the official code.

    Arguments:
        distance: from the camera to the origin of the scene, in world units.
    """
    fx = width / 2
    fy = fx * width / height
    intrinsics = constant(((fx, 0, width / 2), (0, fy, height / 2), (0, 0, 1)), like)
    viewmat = torch.eye(4, dtype=like.dtype, device=like.device)
    viewmat[2, 3] = distance
    return Camera(viewmat, intrinsics, height, width)


def composite(premultiplied: Tensor, alpha: Tensor, mode: Composite) -> Tensor:
    """Put rendered colour [..., H, W, 3] with alpha [..., H, W] on a background.

    "over" is C + (1 - A), on white. "official" is C·A + (1 - A), with a superfluous factor A; released weights were trained
    with it. "black" is C, as in the image path of the official code.
    """
    if mode == "black":
        return premultiplied
    coverage = alpha.unsqueeze(-1)
    return (premultiplied * coverage if mode == "official" else premultiplied) + (1 - coverage)


def render_video(gaussians: Gaussians, camera: Camera, mode: Composite, backend: Backend = "auto") -> Tensor:
    """Render every frame: [B, T, H, W, 3] RGB, in [0, 1] with mode "over". Differentiable in all parts of `gaussians`."""
    rendered = render(*gaussians.cloud, gaussians.colors, *camera, backend=backend)
    return composite(rendered.features, rendered.alpha, mode)


def _means(x: Tensor, deltas: bool) -> Tensor:
    if not deltas:
        return SCENE_HALF_WIDTH * x.tanh()
    steps = torch.cat([SCENE_HALF_WIDTH * x[:, :1].tanh(), LARGEST_STEP * x[:, 1:].tanh()], dim=1)
    return steps.cumsum(dim=1)


def _shoemake(u: Tensor) -> Tensor:
    """Shoemake's map from the unit cube [..., 3] onto unit quaternions [..., 4]."""
    radius, angles = u[..., :1], 2 * torch.pi * u[..., 1:]
    first, second = angles.unbind(-1)
    circle = torch.stack([first.sin(), first.cos(), second.sin(), second.cos()], dim=-1)
    inner, outer = radius.sqrt(), (1 - radius).sqrt()
    return circle * torch.cat([outer, outer, inner, inner], dim=-1)


def _colors(x: Tensor, activation: Activation) -> Tensor:
    first, later = x[:, :1], x[:, 1:]
    match activation.rgb_mode:
        case "absolute":
            return x.sigmoid()
        case "frame0_logit":
            return torch.cat([first, first + later], dim=1).sigmoid()
        case "frame0_scaled":
            brighter = (first.sigmoid() + activation.rgb_scale * later.sigmoid()).clamp(0, 1)
            return torch.cat([first.sigmoid(), brighter], dim=1)
        case "cumulative":
            return x.cumsum(dim=1).sigmoid()
