"""Computes image motion from the Gaussians of a window: projected centres, dense flow, rendering weights on demand."""

from __future__ import annotations

import torch
from torch import Tensor

from vgmae_bench.splatting import Projection, project, render, weights_at
from vgmae_bench.videogmae.gaussians.gaussians import Backend, Camera, Gaussians
from vgmae_bench.videogmae.gaussians.switches import FlowAlpha, Switches
from vgmae_bench.videogmae.gaussians.tracking import Motion

NEAR = 0.01
"""The renderer's near plane in world units. In 16 frames, a Gaussian can pass it. None can reach the far plane."""

CHUNK = 32
"""The release renders the weights of this many Gaussians at a time; see `Switches.anchor_weights`."""


def read_motion(gaussians: Gaussians, camera: Camera, switches: Switches, backend: Backend = "auto") -> Motion:
    """The motion of one clip's Gaussians (B = 1, T >= 2 frames), seen by `camera`.

    Displacements are differences of projected centres. They are valid for all Gaussians in front of the camera, also outside
    the frame. So points that leave the frame keep moving with their Gaussians.
    """
    means, scales, quats, opacities, _ = (values[0] for values in gaussians)
    projection = project(means, quats, scales, *camera, near=NEAR)
    ahead = projection.depths > NEAR
    usable = ahead[:-1] & ahead[1:] if switches.culled_gaussians == "mask" else torch.ones_like(ahead[1:])
    displacement = projection.means2d.diff(dim=0) * usable[..., None]

    def weights(frame: int, pixels: Tensor) -> Tensor:
        one_frame = Projection(*(values[frame] for values in projection))
        each = weights_at(one_frame, opacities, pixels + 0.5)
        return chunk_sums(each) if switches.anchor_weights == "chunk_sum" else each

    features = torch.cat([displacement, usable[..., None].to(displacement)], dim=-1)
    rendered = render(means[:-1], quats, scales, opacities, features, *camera, backend=backend)
    return Motion(
        flow=flow_of(rendered.features, rendered.alpha, switches.flow_alpha),
        centres=projection.means2d,
        usable=usable,
        weights=weights,
    )


def projected_centres(means: Tensor, gaussians: Gaussians, camera: Camera) -> Tensor:
    """Centres [B, T, G, 2] in the image, raster pixels, of the Gaussians with means `means` [B, T, G, 3]."""
    return project(means, gaussians.quats[:, None], gaussians.scales[:, None], *camera, near=NEAR).means2d


def flow_of(features: Tensor, alpha: Tensor, mode: FlowAlpha) -> Tensor:
    """Convert rendered displacements to flow [..., H, W, 2] in pixels.

    Arguments:
        features: [..., H, W, 3], rendered (dx, dy, 1). Excluded Gaussians have three zeros.
        alpha: [..., H, W], accumulated over all Gaussians.
        mode: see `Switches.flow_alpha`.
    """
    summed, share = features[..., :2], features[..., 2:]
    match mode:
        case "normalised":  # avoids 0 / 0; a visible Gaussian has a weight of at least 1/255 · 1e-4
            return summed / share.clamp(min=1e-8)
        case "paper":
            return summed
        case "official":
            return summed * alpha.unsqueeze(-1)


def chunk_sums(weights: Tensor) -> Tensor:
    """Replace each of the weights [..., G] by the sum over its chunk of 32 Gaussians."""
    chunks = torch.split(weights, CHUNK, dim=-1)
    return torch.cat([chunk.sum(dim=-1, keepdim=True).expand_as(chunk) for chunk in chunks], dim=-1)
