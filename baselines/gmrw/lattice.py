"""Geometry of a feature map's cells in a frame: the cells at a position, and the size of a cell in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from vgmae_bench.devices import constant
from vgmae_bench.models.points import four_pixels
from vgmae_bench.types import Size

from .network import STRIDE

FlowGrid = Literal["cell_center", "official"]
PixelConvention = Literal["raster", "index"]


@dataclass(frozen=True)
class Lattice:
    """The cells of a frame enlarged `upsample` times. First and last pixels remain at the border (align_corners).

    Attributes:
        size: (height, width) of the frame in pixels.
        grid: (height, width) of the feature map in cells.
        upsample: see above.
        flow_grid: "cell_center": cell j has its centre at pixel index 4 j of the enlarged frame, as the network's strides
            imply. "official": the first and last cells have their centres at the first and last pixels; flow is first
            interpolated at pixels, then between them; but one cell of flow still counts as size / grid pixels.
        pixel_convention: "raster": pixel centres are at +0.5. "index": positions are used as pixel indices.
    """

    size: Size
    grid: Size
    upsample: int = 1
    flow_grid: FlowGrid = "cell_center"
    pixel_convention: PixelConvention = "raster"

    def taps(self, xy: Tensor) -> tuple[Tensor, Tensor]:
        """The cells from which the flow at positions [P, 2] is interpolated.

        Returns:
            Cells, int64 [K, P] (row * width + column), and their shares [K, P], which sum to 1. Outside the map, its
            border is used.
        """
        index = xy - 0.5 if self.pixel_convention == "raster" else xy
        if self.flow_grid == "cell_center":
            points, shares = four_pixels(index / constant(self.scale, xy), self.grid)
        else:
            pixels, outer = four_pixels(index, self.size)
            rows, columns = ((cells - 1) / max(side - 1, 1) for cells, side in zip(self.grid, self.size, strict=True))
            points, inner = four_pixels(pixels * constant((columns, rows), xy), self.grid)
            points, shares = points.flatten(0, 1), (inner * outer).flatten(0, 1)
        return points[..., 1] * self.grid[1] + points[..., 0], shares

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the frame per cell (x, y)."""
        if self.flow_grid == "official":
            rows, columns = (side / cells for cells, side in zip(self.grid, self.size, strict=True))
        else:
            rows, columns = (STRIDE * max(side - 1, 1) / max(self.upsample * side - 1, 1) for side in self.size)
        return columns, rows
