"""What the depth of an image's Gaussians tells without training: layers, figure and ground, outlines, information density.

Procedures of arXiv 2501.03229. It gives no constants for them: how many Gaussians or layers, which end comes first and what
counts as a change are arguments here, and their defaults are ours.
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


class Splats(NamedTuple):
    """The k Gaussians of one image in an order, which says what comes first below.

    Attributes:
        means, scales: [k, 3] world units. quats: [k, 4] wxyz. opacities: [k]. colors: [k, 3] RGB in [0, 1].
    """

    means: Tensor
    scales: Tensor
    quats: Tensor
    opacities: Tensor
    colors: Tensor

    def pick(self, which: Tensor | slice) -> Splats:
        """Some of the Gaussians."""
        return Splats(*(part[which] for part in self))


class Scene(NamedTuple):
    """An image as Gaussians, and how it is looked at."""

    splats: Splats
    camera: Camera
    mode: Composite
    backend: Backend = "auto"

    @property
    def depths(self) -> Tensor:
        """[k], along the axis of the camera, world units."""
        viewmat = self.camera.viewmat
        return self.splats.means @ viewmat[2, :3] + viewmat[2, 3]

    def draw(self, which: Tensor | slice = slice(None), features: Tensor | None = None) -> Rendered:
        """Some of the Gaussians alone, with their colours or with features [k, C]: premultiplied, without background."""
        some = self.splats.pick(which)
        values = some.colors if features is None else features[which]
        if len(some.means) == 0:
            empty = values.new_zeros(self.camera.height, self.camera.width, values.shape[-1])
            return Rendered(empty, empty[..., 0])
        return render(
            some.means,
            some.quats,
            some.scales,
            some.opacities,
            values,
            self.camera.viewmat,
            self.camera.K,
            self.camera.height,
            self.camera.width,
            backend=self.backend,
        )

    def picture(self, which: Tensor | slice = slice(None)) -> Tensor:
        """[H, W, 3] RGB in [0, 1] of some of the Gaussians on the background."""
        return composite(*self.draw(which), self.mode)


def ordered(gaussians: Gaussians, camera: Camera, mode: Composite, order: Order, backend: Backend = "auto") -> Scene:
    """The scene of the only image of `gaussians`, its Gaussians sorted by depth from the near or the far end."""
    splats = Splats(
        gaussians.means[0, 0], gaussians.scales[0], gaussians.quats[0], gaussians.opacities[0], gaussians.colors[0, 0]
    )
    scene = Scene(splats, camera, mode, backend)
    return scene._replace(splats=splats.pick(scene.depths.argsort(descending=order == "far", stable=True)))


def layers(count: int, number: int) -> list[slice]:
    """`count` Gaussians in `number` groups of equal size, in order; sizes differ by at most one, groups may be empty."""
    ends = [round(count * i / number) for i in range(number + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(ends)]


def cumulative_layers(scene: Scene, counts: Sequence[int]) -> Tensor:
    """[len(counts), H, W, 3]: the picture of the first K Gaussians, for every K."""
    return torch.stack([scene.picture(slice(count)) for count in counts])


def single_layers(scene: Scene, number: int) -> Tensor:
    """[number, H, W, 3]: the picture of each layer alone."""
    return torch.stack([scene.picture(layer) for layer in layers(len(scene.splats.means), number)])


def layer_weights(scene: Scene, number: int) -> Tensor:
    """[number, H, W]: how much each layer contributes to the full render; their sum is its alpha."""
    member = torch.zeros(
        len(scene.splats.means), number, dtype=scene.splats.means.dtype, device=scene.splats.means.device
    )
    for index, layer in enumerate(layers(len(member), number)):
        member[layer, index] = 1
    return scene.draw(features=member).features.movedim(-1, 0)


def layer_map(scene: Scene, number: int, rule: Rule = "change", eps: float = 0.05) -> Tensor:
    """int64 [H, W]: the layer that each pixel belongs to, from 0; -1 where none has any say.

    Arguments:
        rule: "change": layers are added one after the other, and a pixel takes the number of the last one that changes it by
            more than `eps` in some channel (paper); "weight": that of the layer with the largest weight in the full render.
        eps: of "change", in RGB from 0 to 1. Ours.
    """
    if rule == "weight":
        weights = layer_weights(scene, number)
        best = weights.max(dim=0)
        return torch.where(best.values > 0, best.indices, -1)
    ends = [layer.stop for layer in layers(len(scene.splats.means), number)]
    steps = cumulative_layers(scene, [0, *ends]).diff(dim=0).abs().amax(dim=-1) > eps
    numbers = torch.arange(1, number + 1, device=steps.device)[:, None, None]
    return (steps * numbers).amax(dim=0) - 1


def discontinuities(labels: Tensor) -> Tensor:
    """bool [H, W]: where a map of labels [H, W] differs from the pixel to the right or below."""
    found = torch.zeros_like(labels, dtype=torch.bool)
    found[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    found[:-1] |= labels[:-1] != labels[1:]
    return found


def edges(scene: Scene, number: int, rule: Rule = "change", eps: float = 0.05) -> Tensor:
    """bool [H, W]: outlines, the discontinuities of `layer_map`. Fewer layers give coarser ones."""
    return discontinuities(layer_map(scene, number, rule, eps))


def unexplained(scene: Scene, share: float = 0.5) -> Tensor:
    """[H, W] in (0, 1]: what the first `share` of the Gaussians leave open, 1 - alpha: the figure, if they are the ground.

    In the paper's example the first layers are a blurred background with a hole where the animal is.
    """
    return 1 - scene.draw(slice(round(share * len(scene.splats.means)))).alpha


def depth_image(scene: Scene) -> Tensor:
    """[H, W] in [0, 1]: the mean of the log depths that a pixel shows, 0 at the nearest Gaussian, 1 at the farthest.

    NaN where nothing is shown. The logarithm of min-max normalised depths, as the released image path paints them, has no
    bounds; here the logarithm is taken first.
    """
    logs = scene.depths.log()
    logs = (logs - logs.min()) / (logs.max() - logs.min()).clamp(min=1e-12)
    shown = scene.draw(features=logs[:, None])
    return shown.features[..., 0] / torch.where(shown.alpha > 0, shown.alpha, torch.nan)


def centres(scene: Scene) -> Tensor:
    """[k, 2]: where the Gaussians' centres are in the image, raster pixels."""
    means, scales, quats = scene.splats.means, scene.splats.scales, scene.splats.quats
    camera = scene.camera
    return project(means, quats, scales, camera.viewmat, camera.K, camera.height, camera.width).means2d


def density(scene: Scene, sigma: float = 0.03) -> Tensor:
    """[H, W]: how many Gaussians have their centres about there, weighted by opacity; per pixel, so that it sums to about k.

    Arguments:
        sigma: standard deviation of what each centre is smeared to, in shares of the longer side.
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
