"""The shape of a Video-GMAE network: numbers and switches."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from vgmae_bench.errors import UsageError
from vgmae_bench.models.nn import ViTConfig, tiny_size
from vgmae_bench.settings import multiple_of
from vgmae_bench.videogmae.gaussians.queries import QueryContent


@dataclass(frozen=True)
class NetworkConfig(ViTConfig):
    """The shape of a Video-GMAE network.

    Attributes:
        num_gaussians: Gaussians per frame, G.
        decoder_embed_dim, decoder_depth, decoder_num_heads: width, number of blocks and number of heads of the decoder.
        position: "interpolate" adds a 2-D table, a temporal table and a class token (both released scripts). "pos3d" adds one
            3-D table to encoder and decoder.
        decoder_attention: "causal" over the whole sequence (official). "frame_causal": latents see each other; queries see
            latents and the queries of their own and earlier frames. "bidirectional": everything sees everything.
        decoder: "per_frame": one query per Gaussian and frame (paper). "per_identity" (ours): one query per Gaussian, which
            predicts the whole trajectory, so that there are T times fewer queries. These queries belong to no frame, so
            attention cannot be causal in time, and "frame_causal" only hides queries from latents.
        query_position: "learned": queries are free vectors (paper). "anchored" (ours): queries also get fixed codes of their
            Gaussian's anchor and of their frame, and latents get the codes of their positions.
        query_content: additional content of a Gaussian's query. "learned": none (paper). "gathered" and "gated" (ours): the
            tokens at its anchor in all frames; see `vgmae_bench.videogmae.gaussians.queries.AnchorTokens`.
        colour_start: "learned": the network predicts colours (paper). "frame" (ours): it predicts differences from the colours
            around the anchors in frame 0, where the encoder sees them. Needs a square number of Gaussians.
        gaussian_start: "random": untrained networks scatter Gaussians over the scene (paper). "grid" (ours): each is at its
            anchor and does not move.

    Raises:
        UsageError: a number is not positive, or numbers are not divisible as needed.
    """

    num_gaussians: int = 256
    decoder_embed_dim: int = 512
    decoder_depth: int = 8
    decoder_num_heads: int = 16
    position: Literal["interpolate", "pos3d"] = "interpolate"
    decoder_attention: Literal["causal", "frame_causal", "bidirectional"] = "causal"
    decoder: Literal["per_frame", "per_identity"] = "per_frame"
    query_position: Literal["learned", "anchored"] = "learned"
    query_content: QueryContent = "learned"
    colour_start: Literal["learned", "frame"] = "learned"
    gaussian_start: Literal["random", "grid"] = "random"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.query_content != "learned" and self.decoder != "per_identity":
            raise UsageError("query_content needs one query per Gaussian", 'use it with decoder="per_identity"')
        if self.colour_start == "frame" and math.isqrt(self.num_gaussians) ** 2 != self.num_gaussians:
            raise UsageError("colour_start=frame needs a square number of Gaussians", f"it is {self.num_gaussians}")
        multiple_of(self, decoder_embed_dim="decoder_num_heads")
        # Sines and cosines of two axes need a multiple of 4. The 3-D table needs 16, because space has 3/4 of its width.
        divisor = 4 if self.position == "interpolate" else 16
        multiple_of(self, embed_dim=divisor, decoder_embed_dim=divisor)

    @property
    def num_tokens(self) -> int:
        """Patches of a clip, L; token t * grid² + row * grid + column."""
        return self.num_frames * self.grid**2

    @property
    def query_frames(self) -> int:
        """Number of frames with separate queries."""
        return self.num_frames if self.decoder == "per_frame" else 1


_BASE = NetworkConfig()
SIZES: dict[str, NetworkConfig] = {
    "tiny": tiny_size(NetworkConfig, __file__),
    "base": _BASE,
    "large": replace(_BASE, embed_dim=1024, depth=24, num_heads=16),
}
"""Named sizes: "base" and "large" are the paper's ViT-B and ViT-L, "tiny" is that of the configuration `tiny`, for a CPU."""
