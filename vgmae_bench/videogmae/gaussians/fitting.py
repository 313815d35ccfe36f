"""Fits moving Gaussians to a window of one clip. They can start from a network's predictions, or without a network.

Frames are fitted one after the other. Gradient descent on the reconstruction loss fits the appearance to the first frame. Then
the appearance is fixed, colours included, and only positions change. A fixed appearance can fit later frames only by motion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize
from torch.optim.adam import adam

from vgmae_bench.errors import UsageError
from vgmae_bench.models.losses import reconstruction_loss
from vgmae_bench.settings import at_least
from vgmae_bench.splatting import project
from vgmae_bench.videogmae.gaussians.alignment import Stage, Stiffness, align, bending, bias
from vgmae_bench.videogmae.gaussians.gaussians import Backend, Camera, Gaussians, fixed_camera, render_video
from vgmae_bench.videogmae.gaussians.motion import NEAR


@dataclass(frozen=True)
class FitConfig:
    """Settings of the optimisation.

    Attributes:
        steps: gradient steps on the appearance in a window's first frame. In each later frame, positions take steps / 50 (at
            least 1) Gauss-Newton steps per stiffness. 0 leaves the Gaussians unchanged.
        resolution: side of the compared images in pixels; clips are resized to a square.
        lr: learning rate of the gradient steps, equal for world units, colours and logits. It falls to a tenth.
        stiffness: weights of the bending energy, coarse motion first, for 1024 Gaussians per frame. The energy of the same
            motion falls with the square of the number of Gaussians; the weights are scaled to compensate. The last weight
            limits bending since the first frame, the others bending since the previous frame.
        outlier: one per stiffness: the error in RGB units at which a pixel loses its influence. It decreases as motion
            converges.

    Raises:
        UsageError: a value is out of range.
    """

    steps: int = 150
    resolution: int = 64
    lr: float = 0.02
    stiffness: tuple[float, ...] = (3000.0, 30.0)
    outlier: tuple[float, ...] = (0.5, 0.15)

    def __post_init__(self) -> None:
        at_least(self, steps=0, resolution=8)
        if not 0 < self.lr < math.inf:
            raise UsageError("The learning rate must be positive", f"lr is {self.lr}")
        if not self.stiffness or len(self.stiffness) != len(self.outlier):
            raise UsageError(
                "Each stiffness needs one outlier", f"there are {len(self.stiffness)} and {len(self.outlier)}"
            )
        if not all(0 <= value < math.inf for value in self.stiffness) or not all(value > 0 for value in self.outlier):
            raise UsageError(
                "A stiffness cannot be negative, and outliers must be positive",
                f"they are {self.stiffness} and {self.outlier}",
            )


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
        gaussians: the start. Colours of later frames are ignored; those of the first frame hold for all frames.
        video: [T, H, W, 3], RGB in [0, 1].
        config: settings.
        guess: first guess of each frame's displacements: those of `gaussians` ("given"), or those of the previous step
            ("inertia").
        backend: back end of splatting.

    Returns:
        Gaussians of the same shapes, detached. Colours are constant over time, and not limited to [0, 1].
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
    """Fit all properties of the Gaussians to the first frame [1, R, R, 3]. The result has T = 1."""
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
        return Gaussians(means, scales.exp(), normalize(quats, dim=-1), opacities.sigmoid(), colors)

    # The functional form of Adam: creating an optimizer loads torch's compiler, which takes seconds.
    averages, squares = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    counts = [torch.zeros(()) for _ in parameters]
    for step in range(config.steps):
        lr = config.lr * (1 - 0.9 * step / config.steps)
        loss = reconstruction_loss(render_video(current(), camera, "over", backend), frame[None], "mean")
        gradients = list(torch.autograd.grad(loss, parameters))
        with torch.no_grad():
            adam(
                parameters,
                gradients,
                averages,
                squares,
                [],
                counts,
                amsgrad=False,
                beta1=0.9,
                beta2=0.99,
                lr=lr,
                weight_decay=0,
                eps=1e-8,
                maximize=False,
            )
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

    displacements: first guesses [T - 1, G, 3] in world units; None: the displacements of the previous step.
    """
    rest = _centres(first, first.means[0, 0], camera)
    stages = _stages(first, rest, frames[0], camera, config, backend)
    path = [first.means[0, 0]]
    for t, frame in enumerate(frames[1:]):
        inertia = path[-1] - path[-2] if t else torch.zeros_like(path[-1])
        means = path[-1] + (inertia if displacements is None else displacements[t])
        before = _centres(first, path[-1], camera)
        for stage in stages:
            unbent = rest if stage is stages[-1] else before
            for _ in range(max(1, config.steps // 50)):
                means = means + align(first._replace(means=means[None, None]), camera, frame, unbent, stage, backend)
        path.append(means)
    return torch.stack(path)


def _stages(
    first: Gaussians, rest: Tensor, frame: Tensor, camera: Camera, config: FitConfig, backend: Backend
) -> list[Stage]:
    inside = ((rest > 0) & (rest < config.resolution)).all(dim=-1)
    density = float(inside.sum().clamp(min=16)) / 1024
    matrix = bending(rest)
    return [
        Stage(Stiffness(matrix, strength * density**2), outlier, bias(first, camera, frame, outlier, backend))
        for strength, outlier in zip(config.stiffness, config.outlier, strict=True)
    ]


def _centres(gaussians: Gaussians, means: Tensor, camera: Camera) -> Tensor:
    """[G, 2], pixels: centres of the Gaussians with means [G, 3]."""
    return project(means, gaussians.quats[0], gaussians.scales[0], *camera, near=NEAR).means2d
