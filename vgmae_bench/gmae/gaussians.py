"""Converts GMAE's outputs to Gaussians, with their camera. Builds on `vgmae_bench.videogmae.gaussians.gaussians`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from vgmae_bench.devices import constant
from vgmae_bench.settings import positive
from vgmae_bench.videogmae.gaussians.gaussians import (
    SCENE_DEPTH,
    Activation,
    Backend,
    Camera,
    Gaussians,
    activate,
    fixed_camera,
    render_video,
)

DISTANCE = {"far": SCENE_DEPTH, "box": 2.0}
"""Distance from the camera to the origin, in world units. At 2, the near face of [-1, 1]³ exactly fills the view of 90°."""


@dataclass(frozen=True)
class View:
    """How raw outputs become Gaussians and an image. Part of the weights: fixed when they were trained.

    The released image path has mean_range "unit" and camera "far". With these, no centre can be more than 16 pixels of 224
    from the middle of the image. So it cannot have made the published figures.

    Attributes:
        mean_range: range of the centres in world units. "wide" is 5 tanh(x), as in Video-GMAE; "unit" is 2 sigmoid(x) - 1.
        camera: "far" is 8 units from the origin. "box" is 2 units from it, and sees exactly the range "unit". Both have a
            view of 90°.
        composite: the background: "over" white, as in Video-GMAE, or "black", as in the released image path.
        scale_factor: c in c sigmoid(x), the largest standard deviation in world units.

    Raises:
        UsageError: scale_factor is not positive.
    """

    mean_range: Literal["wide", "unit"] = "wide"
    camera: Literal["far", "box"] = "far"
    composite: Literal["over", "black"] = "over"
    scale_factor: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "scale_factor")

    def gaussians(self, raw: Tensor) -> Gaussians:
        """The k Gaussians of each image from raw outputs [B, 1, k, 14]."""
        made = activate(raw, Activation(scale_factor=self.scale_factor))
        return made if self.mean_range == "wide" else made._replace(means=2 * raw[..., :3].sigmoid() - 1)

    def camera_for(self, height: int, width: int, like: Tensor) -> Camera:
        """The camera for images of this size. They show the same scene as a square image, stretched like the input.

        Video-GMAE's camera differs: with frames that are not square, it shows less or more of the height.
        """
        square = fixed_camera(width, width, like, DISTANCE[self.camera])
        stretch = constant(((1.0,), (height / width,), (1.0,)), like)
        return square._replace(K=square.K * stretch, height=height)

    def render(self, gaussians: Gaussians, height: int, width: int, backend: Backend = "auto") -> Tensor:
        """[B, 1, height, width, 3] RGB in [0, 1]; differentiable in all of `gaussians`."""
        camera = self.camera_for(height, width, gaussians.means)
        return render_video(gaussians, camera, self.composite, backend)
