"""Switches for every point where paper, released code and our choice differ in zero-shot tracking, and three presets.

Sources: Baranwal et al., arXiv 2512.22489 ("paper"), and the behaviour of tekotan/video-gmae c630810 ("release").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vgmae_bench.errors import UsageError
from vgmae_bench.models.readout import TokenOrder
from vgmae_bench.settings import at_least

FlowAlpha = Literal["normalised", "paper", "official"]
CulledGaussians = Literal["mask", "include"]
AnchorWeights = Literal["one_hot", "chunk_sum"]
AnchorProposal = Literal["offset", "centroid", "official"]
BetaMode = Literal["confidence", "constant"]
VisibilityTime = Literal["current", "lagged"]
PixelConvention = Literal["raster", "index"]
Preset = Literal["default", "paper", "release"]


@dataclass(frozen=True)
class Switches:
    """How points are tracked through predicted Gaussians.

    Below, w_i is the rendering weight α_i T_i of Gaussian i at a pixel, d_i its displacement to the next frame in
    pixels, and A = Σ w_i.

    Attributes:
        token_order: "identity" encodes patches in raster order. "shuffled" permutes them, as the release does even without
            masking. The predictions of the causal decoder depend on it.
        apply_scale_factor: use the scale factor with which the weights were trained. The release uses 1 in tracking.
        flow_alpha: flow is Σ w_i d_i / A ("normalised"), Σ w_i d_i ("paper"), or A Σ w_i d_i ("official").
        culled_gaussians: "mask" excludes Gaussians that are outside the camera's depth range in either frame, where the
            projection is meaningless. "include" uses their displacements too.
        anchor_weights: "one_hot": every Gaussian has its own weight. "chunk_sum": it has the sum over its chunk of 32. This is
            a mistake of the release: the mass of eight anchors can reach 8.
        pixel_convention: "raster" samples maps with pixel centres at +0.5. "index" uses raster coordinates as indices.
        anchor_proposal: position of a point according to its anchors. "offset": the point keeps its offset to them.
            "centroid": their weighted centre. "official": the centre in the first step, the offset later.
        beta_mode: the share of this proposal for visible points: β ("constant") or β (1 - mass) ("confidence").
        visibility_time: visibility at frame t depends on the anchors' mass at t ("current") or at t - 1 ("lagged").
        clip_to_frame: clamp reported positions to the frame. Tracking itself is never clamped.
        topk: number of anchors per point.
        tau: a point is visible if the mass of its anchors is at least this.
        beta: see `beta_mode`.

    Raises:
        UsageError: topk is less than 1, or beta is not between 0 and 1.
    """

    token_order: TokenOrder = "identity"
    apply_scale_factor: bool = True
    flow_alpha: FlowAlpha = "normalised"
    culled_gaussians: CulledGaussians = "mask"
    anchor_weights: AnchorWeights = "one_hot"
    pixel_convention: PixelConvention = "raster"
    anchor_proposal: AnchorProposal = "offset"
    beta_mode: BetaMode = "confidence"
    visibility_time: VisibilityTime = "current"
    clip_to_frame: bool = False
    topk: int = 8
    tau: float = 0.5
    beta: float = 0.3

    def __post_init__(self) -> None:
        at_least(self, topk=1)
        if not 0 <= self.beta <= 1:
            raise UsageError("beta is a share between 0 and 1", f"it is {self.beta}")


PRESETS: dict[Preset, Switches] = {
    "default": Switches(),
    "paper": Switches(flow_alpha="paper", anchor_proposal="centroid", beta_mode="constant"),
    "release": Switches(
        token_order="shuffled",
        apply_scale_factor=False,
        flow_alpha="official",
        culled_gaussians="include",
        anchor_weights="chunk_sum",
        pixel_convention="index",
        anchor_proposal="official",
        visibility_time="lagged",
        clip_to_frame=True,
    ),
}
