"""Tracks points through one window by the motion of its Gaussians (arXiv 2512.22489, zero-shot tracking).

Positions are raster pixels (x, y). They can leave the frame and return. Outside the frame, maps are read at the nearest border
pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from vgmae_bench.models.points import four_pixels, inside
from vgmae_bench.models.windows import WindowTracks
from vgmae_bench.types import Size
from vgmae_bench.videogmae.gaussians.switches import PixelConvention, Switches

Variant = Literal["anchors", "flow"]
PixelWeights = Callable[[int, Tensor], Tensor]
"""(frame, pixels int64 [P, 2] as column and row) → [P, G], rendering weights of all Gaussians at the pixel centres."""

EPSILON = 1e-8
"""Added to the anchors' mass before division, as in the official code."""


@dataclass(frozen=True)
class Motion:
    """The motion of the Gaussians of one window of T frames, in the image.

    Attributes:
        flow: [T - 1, H, W, 2], pixels, from each frame to the next.
        centres: [T, G, 2], projected centres of the Gaussians, raster pixels.
        usable: bool [T - 1, G]: the displacement of a Gaussian's centre to the next frame is meaningful.
        weights: computes rendering weights at given pixels. Dense maps would be [T, H, W, G].
    """

    flow: Tensor
    centres: Tensor
    usable: Tensor
    weights: PixelWeights

    @property
    def size(self) -> Size:
        """(height, width) of the frames in pixels."""
        return self.flow.shape[1], self.flow.shape[2]


class AnchorTracks(NamedTuple):
    """Like WindowTracks, with the anchors [N, k] of each point and their shares [N, T - 1, k] in each step."""

    xy: Tensor
    visible: Tensor
    anchors: Tensor
    shares: Tensor


def advect(motion: Motion, start: Tensor, switches: Switches) -> WindowTracks:
    """Move points `start` [N, 2] by the flow alone. Visible means inside the frame: occlusion is not detected."""
    path = [start]
    for flow in motion.flow:
        path.append(path[-1] + sample_map(flow, path[-1], switches.pixel_convention))
    return WindowTracks(torch.stack(path, dim=1), torch.stack([inside(xy, motion.size) for xy in path], dim=1))


def follow_anchors(motion: Motion, start: Tensor, switches: Switches, anchors: Tensor | None = None) -> AnchorTracks:
    """Move points by the flow while their anchors are visible, and by the anchors alone while these are occluded.

    Anchors are the `topk` Gaussians with the largest weight at a point in the first frame. Their mass is the sum of their
    weights at the point's present position. It shows whether the point's surface is still visible there.

    Arguments:
        motion: of the window.
        start: [N, 2], positions in the first frame, raster pixels.
        anchors: int64 [N, k], Gaussians to use instead of the strongest ones.
    """
    weights = sample_weights(motion, 0, start, switches.pixel_convention)
    if anchors is None:
        anchors = strongest(weights, switches.topk)
    held = weights.gather(1, anchors)
    in_sight = _in_sight(held, switches)
    path, visible, shares = [start], [in_sight], []
    steps = len(motion.flow)
    for step in range(steps):
        here, was_in_sight = path[-1], in_sight
        share = _shares(held, motion.usable[step][anchors])
        proposal = _proposal(motion, step, here, anchors, share, switches)
        carried = here + sample_map(motion.flow[step], here, switches.pixel_convention)
        beta = _beta(held, switches)
        there = torch.where(was_in_sight[:, None], (1 - beta) * carried + beta * proposal, proposal)
        current = switches.visibility_time == "current"
        if current or step + 1 < steps:  # "lagged" does not need the last frame
            held = sample_weights(motion, step + 1, there, switches.pixel_convention).gather(1, anchors)
            in_sight = _in_sight(held, switches)
        path.append(there)
        visible.append((in_sight if current else was_in_sight) & inside(there, motion.size))
        shares.append(share)
    return AnchorTracks(torch.stack(path, dim=1), torch.stack(visible, dim=1), anchors, torch.stack(shares, dim=1))


def follow_points(motion: Motion, start: Tensor, variant: Variant, switches: Switches, at_once: int) -> WindowTracks:
    """Follow points from `start` [M, 2] with `follow_anchors` or along the flow (`advect`), `at_once` points at a time."""
    follow = follow_anchors if variant == "anchors" else advect
    parts = [follow(motion, some, switches) for some in torch.split(start, at_once)]
    return WindowTracks(torch.cat([part.xy for part in parts]), torch.cat([part.visible for part in parts]))


def bytes_per_point(gaussians: int) -> int:
    """Memory that `follow_anchors` needs for a point: a dozen values for each Gaussian at each of four pixels."""
    return 4 * 12 * gaussians * torch.float32.itemsize


def strongest(weights: Tensor, count: int) -> Tensor:
    """Int64 [N, min(count, G)]: the Gaussians with the largest weights [N, G], descending. Ties: lowest index first."""
    return weights.sort(dim=1, descending=True, stable=True).indices[:, :count]


def sample_map(values: Tensor, xy: Tensor, convention: PixelConvention) -> Tensor:
    """Read a map [H, W, C] at positions [N, 2], bilinearly: [N, C]."""
    pixels, shares = four_pixels(_index(xy, convention), (values.shape[0], values.shape[1]))
    columns, rows = pixels.unbind(-1)
    return (shares[..., None] * values[rows, columns]).sum(dim=0)


def sample_weights(motion: Motion, frame: int, xy: Tensor, convention: PixelConvention) -> Tensor:
    """The weights of all Gaussians at positions [N, 2], bilinear between pixel centres like the flow: [N, G].

    Weights at the position itself would cost a quarter. But with the four pixels of the flow, mass and flow are readings of the
    same rendered image, and equal those of dense maps.
    """
    pixels, shares = four_pixels(_index(xy, convention), motion.size)
    weights = motion.weights(frame, pixels.flatten(0, 1))
    return (shares[..., None] * weights.view(*shares.shape, weights.shape[-1])).sum(dim=0)


def _index(xy: Tensor, convention: PixelConvention) -> Tensor:
    """Positions as pixel indices; see `Switches.pixel_convention`."""
    return xy if convention == "index" else xy - 0.5


def _in_sight(held: Tensor, switches: Switches) -> Tensor:
    """Bool [N]: the sum of the anchors' weights [N, k] is at least τ."""
    return held.sum(dim=1) >= switches.tau


def _beta(held: Tensor, switches: Switches) -> Tensor:
    """[N, 1]: the share of the anchors' proposal in the position of a visible point."""
    mass = held.sum(dim=1, keepdim=True)
    if switches.beta_mode == "constant":
        return torch.full_like(mass, switches.beta)
    return switches.beta * (1 - mass.clamp(max=1))


def _shares(held: Tensor, usable: Tensor) -> Tensor:
    """[N, k]: weights of the usable anchors as fractions of their sum; equal parts if all weights are 0."""
    held = held * usable
    mass = held.sum(dim=1, keepdim=True)
    equal = usable / usable.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(mass > 0, held / (mass + EPSILON), equal)


def _proposal(motion: Motion, step: int, here: Tensor, anchors: Tensor, share: Tensor, switches: Switches) -> Tensor:
    """[N, 2]: the anchors' proposal for points at `here` in this step. Points without a usable anchor stay."""
    after = motion.centres[step + 1][anchors]
    if switches.anchor_proposal == "centroid" or (switches.anchor_proposal == "official" and step == 0):
        centroid = (share[..., None] * after).sum(dim=1)
        return torch.where((share > 0).any(dim=1, keepdim=True), centroid, here)
    moved = after - motion.centres[step][anchors]
    return here + (share[..., None] * moved).sum(dim=1)
