"""What a method provides to look at single images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""uint8 [H, W, 3] RGB."""


class Seen(NamedTuple):
    """What is said of an image of H × W pixels.

    Attributes:
        figure: bool [H, W], True on what stands before the ground; None where that is not asked of a method.
        outlines: float32 [H, W] in [0, 1], how surely an object ends there; likewise.
    """

    figure: npt.NDArray[np.bool_] | None = None
    outlines: npt.NDArray[np.float32] | None = None


class Exploration(Protocol):
    """All that a method makes of one image."""

    @property
    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Everything that was found, by name."""
        ...

    def draw(self, path: Path) -> None:
        """One figure of it all, as a PNG."""
        ...


class Explorer(Protocol):
    """A model of images. Its factory is called with whichever of `config`, `weights`, `device`, `seed` it names.

    Attributes:
        note: what it says of itself ("random weights"), or nothing.
        image_size: side S of the square images it rebuilds, pixels.
        grid: patches along that side, g.
    """

    @property
    def note(self) -> str:
        """What the model says of itself, or ""."""
        ...

    @property
    def image_size(self) -> int:
        """Side S of the images it rebuilds, pixels."""
        ...

    @property
    def grid(self) -> int:
        """Patches along a side, g."""
        ...

    def untrained(self, seed: int) -> Explorer:
        """The same with new random weights: what training must be better than."""
        ...

    def explore(self, image: Image) -> Exploration:
        """Of an image of any size."""
        ...

    def look(self, image: Image) -> Seen:
        """What is measured, of an image of any size."""
        ...

    def rebuild(self, image: Image, hidden: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """float32 [S, S, 3] in [0, 1]: an image [S, S, 3] from those of its patches that are not hidden, bool [g, g]."""
        ...
