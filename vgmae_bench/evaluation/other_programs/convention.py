"""The convention of another program's positions: axes, coordinate order and units of its arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.protocols import EvalProtocol
from vgmae_bench.types import FloatArray, Size, rescale

Axes = Literal["NT", "TN"]
Order = Literal["xy", "yx"]


@dataclass(frozen=True)
class Convention:
    """The convention of a file. None means that nobody declared the field.

    Attributes:
        axes: "NT" is points before frames (TAP-Vid), "TN" frames before points (CoTracker). If the numbers of points and
            frames differ, the shapes decide.
        order: order of the coordinates, "xy" or "yx".
        units: "normalised" (0 to 1), "source" (pixels of the dataset's own frames) or "WxH" (pixels of frames of that
            size). Pixels are raster pixels: (0, 0) is the outer corner of the top-left pixel, whose centre is (0.5,
            0.5).

    Raises:
        UsageError: the units are unknown.
    """

    axes: Axes | None = None
    order: Order | None = None
    units: str | None = None

    def __post_init__(self) -> None:
        if self.units not in (None, "normalised", "source") and not re.fullmatch(r"[1-9]\d*x[1-9]\d*", self.units):
            raise UsageError(f'"{self.units}" is not a unit', "units are normalised, source, or a size such as 256x256")

    def __str__(self) -> str:
        units = "normalised" if self.units == "normalised" else f"pixels of {self.units} frames"
        return f"({', '.join(self.order or '??')}), {units}"

    def to_input(self, positions: npt.NDArray[Any], source: Size, protocol: EvalProtocol) -> FloatArray:
        """Convert positions [..., 2] of the file to raster pixels (x, y) of the tracker's input."""
        xy = positions if self.order == "xy" else positions[..., ::-1]
        size = self.size(source)
        return xy if size == protocol.input_size else rescale(xy, size, protocol.input_size)

    def size(self, source: Size) -> Size:
        """The (height, width) of the frames in which the file counts positions; (1, 1) for fractions of the frame."""
        if self.units == "normalised":
            return (1, 1)
        if self.units == "source":
            return source
        assert self.units is not None  # declared or detected before
        width, _, height = self.units.partition("x")
        return (int(height), int(width))


def packed(protocol: EvalProtocol) -> Convention:
    """The convention of predictions that a run keeps: points first, (x, y), raster pixels of the tracker's input."""
    height, width = protocol.input_size
    return Convention("NT", "xy", f"{width}x{height}")
