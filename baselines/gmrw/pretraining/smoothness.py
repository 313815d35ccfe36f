"""Edge-aware smoothness of flow, the second term of GMRW's loss, and the schedule of its weight."""

from __future__ import annotations

import torch
from torch import Tensor

EDGE = 150.0
"""Sensitivity to edges: factor of the colour differences of images in [-1, 1] (official code)."""
SOFTNESS = 0.001
"""Smoothing of the absolute value; smaller differences count about quadratically."""


def smoothness_loss(flow: Tensor, images: Tensor) -> Tensor:
    """Second-order edge-aware smoothness (SMURF, arXiv 2105.07014) of each flow field: [B].

    Arguments:
        flow: float [B, 2, H, W] in pixels.
        images: float [B, 3, H, W] RGB in [-1, 1], where the flow starts.
    """
    across, down = (_penalty(flow, images, dim) for dim in (-1, -2))
    return (across + down) / 2


def _penalty(flow: Tensor, images: Tensor, dim: int) -> Tensor:
    """Mean second derivative of a flow field along one axis, reduced at edges."""
    steps = images.shape[dim] - 2
    change = images.narrow(dim, 2, steps) - images.narrow(dim, 0, steps)
    weight = (-(EDGE * change).square().mean(dim=1, keepdim=True)).exp()
    bend = torch.sqrt(flow.diff(n=2, dim=dim).square() + SOFTNESS**2)
    return (weight * bend).mean(dim=(1, 2, 3))


def ramp(step: int, start: int, end: int, value: float) -> float:
    """A weight that is 0 up to step `start`, `value` from step `end` on, and linear in between."""
    if step >= end:
        return value
    return value * max(0, step - start) / (end - start)
