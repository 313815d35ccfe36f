"""Explores an image with GMAE: one forward pass, then all read-outs of the Gaussians' depth."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.errors import UsageError
from vgmae_bench.gmae import spatial
from vgmae_bench.gmae.checkpoint import open_model
from vgmae_bench.gmae.figure import Panels
from vgmae_bench.gmae.network import GMAE
from vgmae_bench.models.explorer import Image, Seen
from vgmae_bench.models.frames import prepare
from vgmae_bench.settings import at_least
from vgmae_bench.training.recipe import untrained
from vgmae_bench.videogmae.gaussians.gaussians import Backend

CUMULATIVE = (32, 64, 128, 256, 512, 1024)
"""Numbers K of first Gaussians that the paper shows, if there are more than K. Smaller networks use fractions instead."""
SHOWN_LAYERS = 6


@dataclass(frozen=True)
class ExplorerConfig:
    """Settings of exploring. The paper gives no values; these are ours, and they are not tuned.

    Attributes:
        size: size of the random network that is used without weights.
        order: the order of the Gaussians: nearest first, as in the released image path, or farthest first.
        figure_share: the share of the Gaussians that represent the ground. They are the first ones in the order.
        figure_threshold: a pixel belongs to the figure if these Gaussians leave more than this share of it transparent.
        edge_layers: numbers of layers for outlines. The strength of an outline is the share of these numbers that show it.
        edge_rule: a pixel belongs to the last layer that changes it ("change", paper), or to the layer with the largest
            weight ("weight").
        edge_eps: for "change", the smallest change in RGB from 0 to 1.
        backend: back end of splatting.

    Raises:
        UsageError: a number is out of range.
    """

    size: Literal["tiny", "base", "large"] = "tiny"
    order: spatial.Order = "near"
    figure_share: float = 0.5
    figure_threshold: float = 0.5
    edge_layers: tuple[int, ...] = (32, 16, 8, 4)
    edge_rule: spatial.Rule = "change"
    edge_eps: float = 0.05
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        for name in ("figure_share", "figure_threshold"):
            if not 0 < getattr(self, name) < 1:
                raise UsageError(f"{name} must lie between 0 and 1", f"it is {getattr(self, name)}")
        if not self.edge_layers or min(self.edge_layers) < 2:
            raise UsageError("edge_layers are numbers of at least 2", f"they are {self.edge_layers}")
        at_least(self, edge_eps=0)


class GMAEExplorer:
    """Explores single images with GMAE; see `vgmae_bench.models.explorer.Explorer`.

    Images of any shape are resized to the network's square. The Gaussians are rendered at the size of the image.

    Arguments:
        config: settings.
        weights: a file of GMAE weights. None: random weights that depend on `seed` alone; `note` says so.
        device: any device name of torch.

    Raises:
        WeightsError: the file is damaged, or does not hold GMAE weights.
    """

    def __init__(self, config: ExplorerConfig, weights: Path | None, device: str, seed: int) -> None:
        self.note = "random weights" if weights is None else ""
        network, self._view = open_model(weights, config.size, seed)
        self._config, self._network = config, network.to(device)
        self.image_size, self.grid = network.config.image_size, network.config.grid

    def untrained(self, seed: int) -> GMAEExplorer:
        """The same explorer with random weights that depend on `seed` alone."""
        other = copy.copy(self)
        other.note = "random weights"
        other._network = untrained(lambda: GMAE(self._network.config), seed).to(self._network.cls_token.device)
        return other

    def explore(self, image: Image) -> Panels:
        """All pictures that `vgmae_bench.gmae.figure` draws."""
        config = self._config
        scene = self._scene(image)
        count = len(scene.splats.means)
        counts = [k for k in CUMULATIVE if k < count]
        if len(counts) < SHOWN_LAYERS - 1:
            counts = [round(count * i / SHOWN_LAYERS) for i in range(1, SHOWN_LAYERS)]
        counts = [*counts[1 - SHOWN_LAYERS :], count]
        with torch.inference_mode():
            maps = self._layer_maps(scene)
            arrays: dict[str, Any] = {
                "image": image,
                "reconstruction": scene.picture(),
                "alpha": scene.draw().alpha,
                "depth": spatial.depth_image(scene),
                "density": spatial.density(scene),
                "centres": spatial.centres(scene),
                "depths": scene.depths,
                "opacities": scene.splats.opacities,
                "cumulative_counts": torch.tensor(counts),
                "cumulative_layers": spatial.cumulative_layers(scene, counts),
                "single_layers": spatial.single_layers(scene, SHOWN_LAYERS),
                "unexplained": spatial.unexplained(scene, config.figure_share),
                "figure": self._figure(scene),
                "edge_layers": torch.tensor(config.edge_layers),
                "layer_maps": maps,
                "edges": torch.stack([spatial.outlines(layers) for layers in maps]),
            }
        return Panels(
            {name: value.cpu().numpy() if isinstance(value, Tensor) else value for name, value in arrays.items()}
        )

    def look(self, image: Image) -> Seen:
        """The figure and the outlines."""
        scene = self._scene(image)
        with torch.inference_mode():
            found = torch.stack([spatial.outlines(layers) for layers in self._layer_maps(scene)])
            return Seen(self._figure(scene).cpu().numpy(), found.float().mean(dim=0).cpu().numpy())

    def rebuild(self, image: Image, hidden: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Reconstruct the image from the patches that are not hidden: float32 [S, S, 3] RGB in [0, 1], S the input size."""
        with torch.inference_mode():
            shown = int((~hidden).sum())
            order = torch.from_numpy(np.argsort(hidden, axis=None, kind="stable"))[None]
            ratio = 1 - (shown + 0.5) / hidden.size if shown < hidden.size else 0.0
            raw = self._network.decode(self._network.encode(self._input(image), ratio, order))
            made = self._view.gaussians(raw.float())
            picture = self._view.render(made, self.image_size, self.image_size, self._config.backend)[0, 0]
        return np.asarray(picture.clamp(0, 1).cpu().numpy(), dtype=np.float32)

    def _scene(self, image: Image) -> spatial.Scene:
        with torch.inference_mode():
            made = self._view.gaussians(self._network(self._input(image)).float())
            camera = self._view.camera_for(image.shape[0], image.shape[1], made.means)
            return spatial.ordered(made, camera, self._view.composite, self._config.order, self._config.backend)

    def _input(self, image: Image) -> Tensor:
        """float32 [1, 3, 1, S, S]."""
        device = self._network.cls_token.device
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device)
        return prepare(pixels[None], (self.image_size, self.image_size))[:, :, None]

    def _figure(self, scene: spatial.Scene) -> Tensor:
        return spatial.unexplained(scene, self._config.figure_share) > self._config.figure_threshold

    def _layer_maps(self, scene: spatial.Scene) -> Tensor:
        """int64 [m, H, W], one map for each of `edge_layers`."""
        config = self._config
        return torch.stack([spatial.layer_map(scene, n, config.edge_rule, config.edge_eps) for n in config.edge_layers])
