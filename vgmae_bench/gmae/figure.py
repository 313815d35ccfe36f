"""Draws one figure of everything that GMAE finds in an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

COLUMNS = 6
FIGURE_COLOUR = (255, 60, 0)


@dataclass(frozen=True)
class Panels:
    """Results for an image of H × W pixels; see `vgmae_bench.models.explorer.Exploration`.

    Attributes:
        arrays: by name. image: uint8 [H, W, 3]. reconstruction: [H, W, 3], RGB in [0, 1]. alpha, depth, density and
            unexplained: [H, W]. centres: [k, 2], raster pixels. depths (world units) and opacities: [k], in the order of the
            layers. cumulative_layers: [n, H, W, 3], of the first cumulative_counts [n] Gaussians. single_layers:
            [6, H, W, 3]. figure: bool [H, W]. layer_maps: int64 [m, H, W], and edges: bool [m, H, W], for edge_layers [m]
            layers. See `vgmae_bench.gmae.spatial`.
    """

    arrays: Mapping[str, npt.NDArray[Any]]

    def draw(self, path: Path) -> None:
        """Draw a PNG in four rows: the scene, cumulative layers, single layers, figure and outlines."""
        from matplotlib.figure import Figure

        found = self.arrays
        height, width = found["image"].shape[:2]
        side = 2.4
        figure = Figure(figsize=(COLUMNS * side, 4 * (side * height / width + 0.35)), layout="constrained")
        axes = figure.subplots(4, COLUMNS, squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()

        def show(row: int, column: int, picture: npt.NDArray[Any], title: str, **look: Any) -> None:
            axis = axes[row, column]
            axis.imshow(picture, extent=(0, width, height, 0), **look)
            axis.set_title(title, fontsize=9)

        show(0, 0, found["image"], f"image, {width}×{height}")
        show(0, 1, found["reconstruction"].clip(0, 1), f"its {len(found['depths'])} Gaussians")
        show(0, 2, found["depth"], "depth (dark: near)", cmap="magma")
        show(0, 3, found["density"], "density of Gaussians", cmap="viridis")
        show(0, 4, found["image"], "centres (brightness: opacity)")
        xy, strength = found["centres"], found["opacities"]
        axes[0, 4].scatter(xy[:, 0], xy[:, 1], s=14 * strength + 1, c="yellow", edgecolors="black", linewidths=0.4)
        axes[0, 4].set(xlim=(0, width), ylim=(height, 0))
        show(0, 5, found["unexplained"], "not covered by the first layers", cmap="gray", vmin=0, vmax=1)

        for column, (count, picture) in enumerate(
            zip(found["cumulative_counts"], found["cumulative_layers"], strict=True)
        ):
            show(1, column, picture.clip(0, 1), f"first {count} Gaussians")
        for column, picture in enumerate(found["single_layers"]):
            show(2, column, picture.clip(0, 1), f"layer {column + 1} of {len(found['single_layers'])} only")
        show(3, 0, _tinted(found["image"], found["figure"]), "figure (red) and ground")
        show(3, 1, found["edges"].mean(axis=0), "outlines, all layer counts", cmap="gray_r", vmin=0, vmax=1)
        for column, (number, edge) in enumerate(zip(found["edge_layers"], found["edges"], strict=True)):
            if column + 2 < COLUMNS:
                show(3, column + 2, edge, f"outlines of {number} layers", cmap="gray_r", vmin=0, vmax=1)
        figure.savefig(path, format="png", dpi=110)


def _tinted(image: npt.NDArray[np.uint8], figure: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The image with a coloured figure and a grey ground."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    red = (0.55 * image + 0.45 * np.array(FIGURE_COLOUR)).astype(np.uint8)
    return np.where(figure[..., None], red, grey)
