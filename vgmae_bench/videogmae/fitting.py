"""Moving Gaussians fitted to a window of one clip, without or after a network.

Frame by frame: the first frame's appearance is fitted by gradient descent on the reconstruction loss. From there on the
Gaussians keep it, colours included, and only their positions follow the frames, one after the other. A reconstruction
that may not be re-coloured has to be moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vgmae_bench.errors import UsageError
from vgmae_bench.splatting import project
from vgmae_bench.videogmae.alignment import Stiffness, align, bending
from vgmae_bench.videogmae.gaussians import Backend, Camera, Composite, Gaussians, fixed_camera, render_video
from vgmae_bench.videogmae.losses import reconstruction_loss

COMPOSITE: Composite = "over"


@dataclass(frozen=True)
class FitConfig:
    """Settings of the optimisation.

    Attributes:
        steps: gradient steps on the appearance in a window's first frame. Each later frame gets steps / 25 (at least 1)
            Gauss-Newton steps on positions at every stiffness. 0 leaves the Gaussians as they are.
        resolution: of the images that are compared, pixels a side; clips are squashed to a square.
        lr: of the gradient steps, in world units, colours, logits alike; falls to a tenth in the course of them.
        stiffness: weights of the bending energy, coarse motion first, for 1024 Gaussians in the frame. As the energy of
            the same motion falls with the square of their number, the weights are scaled by that.
        outlier: of each stiffness, the error from which a pixel loses its say, RGB units; tightened as motion settles.

    Raises:
        UsageError: a value out of its range.
    """

    steps: int = 75
    resolution: int = 64
    lr: float = 0.02
    stiffness: tuple[float, ...] = (6000.0, 400.0, 20.0)
    outlier: tuple[float, ...] = (1.0, 0.4, 0.15)

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise UsageError("The number of steps cannot be negative", f"it is {self.steps}")
        if self.resolution < 8:
            raise UsageError("Fitting needs images of at least 8 pixels a side", f"resolution is {self.resolution}")
        if not self.lr > 0:
            raise UsageError("The learning rate must be positive", f"lr is {self.lr}")
        if not self.stiffness or len(self.stiffness) != len(self.outlier):
            raise UsageError(
                "Every stiffness needs its outlier", f"there are {len(self.stiffness)} and {len(self.outlier)}"
            )
        if min(self.stiffness) < 0 or not min(self.outlier) > 0:
            raise UsageError("A stiffness cannot be negative, and outliers must be positive")


def fit(
    gaussians: Gaussians,
    video: Tensor,
    config: FitConfig,
    *,
    guess: Literal["given", "inertia"],
    backend: Backend = "auto",
) -> Gaussians:
    """Fit Gaussians (B = 1, T frames) to a window of a clip.

    Arguments:
        gaussians: where to start. Colours of later frames do not matter, those of the first are kept for all.
        video: [T, H, W, 3] RGB in [0, 1].
        config: settings.
        guess: where a frame's Gaussians are looked for first: displaced from the frame before as in `gaussians`
            ("given"), or by as much as in the step before ("inertia").
        backend: of the splatting.

    Returns:
        Gaussians of the same shapes, detached; colours constant over time, and not confined to [0, 1].
    """
    if config.steps == 0:
        return gaussians
    with torch.inference_mode(False), torch.enable_grad():
        start = Gaussians(*(values.detach().clone() for values in gaussians))
        frames = _squared(video.detach().clone(), config.resolution)
        camera = fixed_camera(config.resolution, config.resolution, like=frames)
        displacements = start.means[0].diff(dim=0) if guess == "given" else None
        first = _first_frame(start, frames[:1], camera, config, backend)
        with torch.no_grad():
            means = _follow(first, frames, displacements, camera, config, backend)
    return first._replace(means=means[None], colors=first.colors.expand_as(means[None]))


def _squared(video: Tensor, resolution: int) -> Tensor:
    """[T, resolution, resolution, 3]."""
    if video.shape[1:3] == (resolution, resolution):
        return video
    images = interpolate(video.permute(0, 3, 1, 2), (resolution, resolution), mode="bilinear", antialias=True)
    return images.permute(0, 2, 3, 1)


def _first_frame(start: Gaussians, frame: Tensor, camera: Camera, config: FitConfig, backend: Backend) -> Gaussians:
    """All properties of the first frame's Gaussians, fitted to it ([1, R, R, 3]): T = 1."""
    parameters = [
        start.means[:, :1],
        start.scales.clamp(min=1e-6).log(),
        start.quats,
        start.opacities.logit(eps=1e-4),
        start.colors[:, :1],
    ]
    for parameter in parameters:
        parameter.requires_grad_()

    def current() -> Gaussians:
        means, scales, quats, opacities, colors = parameters
        return Gaussians(means, scales.exp(), quats, opacities.sigmoid(), colors)

    optimizer = torch.optim.Adam(parameters, lr=config.lr, betas=(0.9, 0.99))
    for step in range(config.steps):
        optimizer.param_groups[0]["lr"] = config.lr * (1 - 0.9 * step / config.steps)
        optimizer.zero_grad()
        image = render_video(current(), camera, COMPOSITE, backend)
        reconstruction_loss(image, frame[None], "mean").backward()
        optimizer.step()
    return Gaussians(*(values.detach() for values in current()))


def _follow(
    first: Gaussians,
    frames: Tensor,
    displacements: Tensor | None,
    camera: Camera,
    config: FitConfig,
    backend: Backend,
) -> Tensor:
    """Means [T, G, 3] of the first frame's Gaussians in all frames [T, R, R, 3].

    displacements: [T - 1, G, 3] to expect, world units; None: as much as in the step before.
    """
    projection = project(first.means[0, 0], first.quats[0], first.scales[0], *camera)
    rest = projection.means2d
    inside = ((rest > 0) & (rest < config.resolution)).all(dim=-1)
    density = float(inside.sum().clamp(min=16)) / 1024
    matrix = bending(rest)
    stages = [
        (Stiffness(matrix, strength * density**2), outlier)
        for strength, outlier in zip(config.stiffness, config.outlier, strict=True)
    ]
    path = [first.means[0, 0]]
    for t, frame in enumerate(frames[1:]):
        inertia = path[-1] - path[-2] if t else torch.zeros_like(path[-1])
        means = path[-1] + (inertia if displacements is None else displacements[t])
        for stiffness, outlier in stages:
            for _ in range(max(1, config.steps // 25)):
                moved = first._replace(means=means[None, None])
                means = means + align(moved, camera, frame, rest, stiffness, outlier, COMPOSITE, backend)
        path.append(means)
    return torch.stack(path)
