"""Videos of a smooth texture in affine motion, with the exact positions of its points."""

from __future__ import annotations

import torch
from torch import Tensor

WAVES = torch.tensor([[0.35, 0.12], [-0.10, 0.41], [0.27, -0.30]])
"""Radians a pixel along x and y, one wave for each of red, green and blue: wavelengths of 15 to 17 pixels."""


def colour(xy: Tensor) -> Tensor:
    """RGB [..., 3] in [0, 1] of the texture at points [..., 2], pixels."""
    slow = (xy @ WAVES.roll(1, dims=0).mT * 0.41).cos()
    return 0.5 + 0.25 * (xy @ WAVES.mT).sin() + 0.2 * slow


def pixels(height: int, width: int) -> Tensor:
    """[height, width, 2] raster positions of pixel centres."""
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)


class Affine:
    """A texture that moves by `step` pixels per frame, and is sheared and scaled by `linear` about `centre`."""

    def __init__(
        self,
        step: tuple[float, float],
        linear: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0)),
        centre: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self._step, self._linear, self._centre = torch.tensor(step), torch.tensor(linear), torch.tensor(centre)

    def positions(self, start: Tensor, frames: int) -> Tensor:
        """[N, frames, 2] of points that begin at start [N, 2]."""
        return torch.stack([self._moved(start, t) for t in range(frames)], dim=1)

    def video(self, frames: int, height: int, width: int) -> Tensor:
        """[frames, height, width, 3] RGB in [0, 1]."""
        return torch.stack([colour(self._origin(pixels(height, width), t)) for t in range(frames)])

    def _moved(self, xy: Tensor, t: int) -> Tensor:
        moved: Tensor = self._centre + (xy - self._centre) @ self._growth(t).mT + t * self._step
        return moved

    def _origin(self, xy: Tensor, t: int) -> Tensor:
        origin: Tensor = self._centre + (xy - self._centre - t * self._step) @ torch.linalg.inv(self._growth(t)).mT
        return origin

    def _growth(self, t: int) -> Tensor:
        return torch.eye(2) + t * self._linear
