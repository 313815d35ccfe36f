"""Read-outs of the Gaussians' depth without training: layers, figure and ground, outlines, information density.

The procedures are from arXiv 2501.03229, which gives no values for them. The number of Gaussians or layers, the order of the
Gaussians and the threshold of a change are arguments here. Their defaults are ours.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from vgmae_bench.splatting import Rendered, project, render
from vgmae_bench.videogmae.gaussians.gaussians import Backend, Camera, Composite, Gaussians, composite

Rule = Literal["change", "weight"]
Order = Literal["near", "far"]


class Scene(NamedTuple):
    """An image as Gaussians, with its camera and its background.

    Attributes:
        splats: the k Gaussians, in the order from which layers are formed. They have no dimensions B and T.
        camera: of the image.
        mode: the background, see `composite`.
        backend: back end of splatting.
    """

    splats: Gaussians
    camera: Camera
    mode: Composite
    backend: Backend = "auto"

    def pick(self, which: Tensor | slice) -> Scene:
        """The scene with some of its Gaussians."""
        return self._replace(splats=Gaussians(*(part[which] for part in self.splats)))

    @property
    def depths(self) -> Tensor:
        """[k]: depths along the camera's axis, in world units."""
        viewmat = self.camera.viewmat
        return self.splats.means @ viewmat[2, :3] + viewmat[2, 3]

    def draw(self, which: Tensor | slice = slice(None), features: Tensor | None = None) -> Rendered:
        """Render some of the Gaussians with their colours, or with features [k, C]: premultiplied, without background."""
        some = self.pick(which).splats
        values = some.colors if features is None else features[which]
        if len(some.means) == 0:
            empty = values.new_zeros(self.camera.height, self.camera.width, values.shape[-1])
            return Rendered(empty, empty[..., 0])
        return render(some.means, some.quats, some.scales, some.opacities, values, *self.camera, backend=self.backend)

    def picture(self, which: Tensor | slice = slice(None)) -> Tensor:
        """[H, W, 3], RGB in [0, 1]: some of the Gaussians on the background."""
        return composite(*self.draw(which), self.mode)


def ordered(gaussians: Gaussians, camera: Camera, mode: Composite, order: Order, backend: Backend = "auto") -> Scene:
    """The scene of `gaussians`, which must hold one image. Its Gaussians are sorted by depth, nearest or farthest first."""
    one = Gaussians(*(part[0] for part in gaussians))
    scene = Scene(one._replace(means=one.means[0], colors=one.colors[0]), camera, mode, backend)
    return scene.pick(scene.depths.argsort(descending=order == "far", stable=True))


def layers(count: int, number: int) -> list[slice]:
    """Divide `count` Gaussians into `number` groups, in order. Sizes differ by at most one; groups can be empty."""
    ends = [round(count * i / number) for i in range(number + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(ends)]


def cumulative_layers(scene: Scene, counts: Sequence[int]) -> Tensor:
    """[len(counts), H, W, 3]: the picture of the first K Gaussians, for every K in `counts`."""
    return torch.stack([scene.picture(slice(count)) for count in counts])


def single_layers(scene: Scene, number: int) -> Tensor:
    """[number, H, W, 3]: a picture of each single layer."""
    return torch.stack([scene.picture(layer) for layer in layers(len(scene.splats.means), number)])


def layer_weights(scene: Scene, number: int) -> Tensor:
    """[number, H, W]: the weight of each layer in the full image. Their sum is its alpha."""
    member = scene.splats.means.new_zeros(len(scene.splats.means), number)
    for index, layer in enumerate(layers(len(member), number)):
        member[layer, index] = 1
    return scene.draw(features=member).features.movedim(-1, 0)


def layer_map(scene: Scene, number: int, rule: Rule = "change", eps: float = 0.05) -> Tensor:
    """int64 [H, W]: the layer of each pixel, from 0; -1 where no layer contributes.

    Arguments:
        rule: "change": layers are added one after the other, and a pixel belongs to the last layer that changes it by more
            than `eps` in some channel (paper). "weight": a pixel belongs to the layer of the largest weight in the image.
        eps: threshold of "change", in RGB from 0 to 1. The value is ours.
    """
    if rule == "weight":
        weights = layer_weights(scene, number)
        best = weights.max(dim=0)
        return torch.where(best.values > 0, best.indices, -1)
    ends = [layer.stop for layer in layers(len(scene.splats.means), number)]
    steps = cumulative_layers(scene, [0, *ends]).diff(dim=0).abs().amax(dim=-1) > eps
    numbers = torch.arange(1, number + 1, device=steps.device)[:, None, None]
    return (steps * numbers).amax(dim=0) - 1


def outlines(labels: Tensor) -> Tensor:
    """bool [H, W]: True where a map of layers [H, W] differs from the pixel to the right or below.

    Fewer layers give coarser outlines.
    """
    found = torch.zeros_like(labels, dtype=torch.bool)
    found[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    found[:-1] |= labels[:-1] != labels[1:]
    return found


def unexplained(scene: Scene, share: float = 0.5) -> Tensor:
    """[H, W] in (0, 1]: 1 - alpha of the first `share` of the Gaussians. It shows the figure if these are the ground.

    In the paper's example, the first layers show a blurred background with a hole at the place of the animal.
    """
    return 1 - scene.draw(slice(round(share * len(scene.splats.means)))).alpha


def depth_image(scene: Scene) -> Tensor:
    """[H, W] in [0, 1]: the mean log depth of each pixel, from 0 at the nearest Gaussian to 1 at the farthest.

    NaN where no Gaussian is visible. The released image path normalises depths to [0, 1] first and then takes the logarithm,
    which is unbounded. Here the logarithm comes first.
    """
    logs = scene.depths.log()
    logs = (logs - logs.min()) / (logs.max() - logs.min()).clamp(min=1e-12)
    shown = scene.draw(features=logs[:, None])
    return shown.features[..., 0] / torch.where(shown.alpha > 0, shown.alpha, torch.nan)


def centres(scene: Scene) -> Tensor:
    """[k, 2]: the Gaussians' centres in the image, in raster pixels."""
    return project(scene.splats.means, scene.splats.quats, scene.splats.scales, *scene.camera).means2d


def density(scene: Scene, sigma: float = 0.03) -> Tensor:
    """[H, W]: smoothed number of Gaussian centres per pixel, weighted by opacity. It sums to k at most.

    Arguments:
        sigma: standard deviation of the smoothing, as a share of the longer side of the image.
    """
    height, width = scene.camera.height, scene.camera.width
    place = centres(scene)
    spread = sigma * max(height, width)
    x, y = (torch.arange(n, dtype=place.dtype, device=place.device) + 0.5 for n in (width, height))
    across, down = (
        torch.exp(-((ticks[None] - place[:, axis, None]) / spread).square() / 2) / (spread * (2 * torch.pi) ** 0.5)
        for axis, ticks in ((0, x), (1, y))
    )
    return torch.einsum("k,ky,kx->yx", scene.splats.opacities, down, across)
