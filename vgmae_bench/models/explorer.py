"""The interface of methods that explore single images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""uint8 [H, W, 3] RGB."""


class Seen(NamedTuple):
    """Results for an image of H × W pixels.

    Attributes:
        figure: bool [H, W], True on the figure, False on the ground; None if the method does not find it.
        outlines: float32 [H, W] in [0, 1], confidence of an object's outline; None if the method does not find outlines.
    """

    figure: npt.NDArray[np.bool_] | None = None
    outlines: npt.NDArray[np.float32] | None = None


class Exploration(Protocol):
    """All results of a method for one image."""

    @property
    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """All results by name."""

    def draw(self, path: Path) -> None:
        """Draw all results in one figure, a PNG."""


class Explorer(Protocol):
    """An image model. Its factory gets those of `config`, `weights`, `device` and `seed` that it has as parameters.

    Attributes:
        note: a remark such as "random weights", or "".
        image_size: S, side of the square reconstructions in pixels.
        grid: g, number of patches along this side.
    """

    note: str
    image_size: int
    grid: int

    def untrained(self, seed: int) -> Explorer:
        """The same model with random weights, for comparison."""

    def explore(self, image: Image) -> Exploration:
        """Explore an image, uint8 [H, W, 3] RGB, of any size."""

    def look(self, image: Image) -> Seen:
        """Find figure and outlines of an image, uint8 [H, W, 3] RGB, of any size."""

    def rebuild(self, image: Image, hidden: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Reconstruct an image [S, S, 3] without its hidden patches, bool [g, g]: float32 [S, S, 3] in [0, 1]."""
