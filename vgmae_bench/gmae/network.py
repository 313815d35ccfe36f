"""The GMAE network: the encoder of an image MAE, and a decoder whose queries become Gaussians (arXiv 2501.03229).

It is Video-GMAE's network for clips of one frame. No code was released for GMAE. tekotan/video-gmae c630810 contains an image
path; where that seems wrong, a setting selects its behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from vgmae_bench.models.nn import rows, tiny_size
from vgmae_bench.videogmae.network import Encoded, VideoGMAE
from vgmae_bench.videogmae.sizes import NetworkConfig


@dataclass(frozen=True)
class ImageNetwork(NetworkConfig):
    """The shape of a GMAE network. An image is a clip of one frame, so three settings have a single value.

    Attributes:
        latent_position: positions of the latents in the decoder. "own": the position of the latent's patch. "previous": that
            of the previous patch in raster order, and none for the first; this is an off-by-one of the released image path.
        class_token: "decoded" with the patches, as in an image MAE, or "dropped".
    """

    num_frames: Literal[1] = 1
    position: Literal["interpolate"] = "interpolate"
    decoder: Literal["per_frame"] = "per_frame"
    decoder_attention: Literal["causal", "frame_causal", "bidirectional"] = "bidirectional"
    latent_position: Literal["own", "previous"] = "own"
    class_token: Literal["decoded", "dropped"] = "decoded"


class GMAE(VideoGMAE):
    """Encoder and decoder. Images are [B, 3, 1, H, W], ImageNet-normalised. `decode` returns raw parameters [B, 1, k, 14]."""

    config: ImageNetwork

    def _context(self, encoded: Encoded) -> Tensor:
        """The class token and the latents, with their position embeddings: [B, 1 + n, decoder_embed_dim]."""
        table = self.decoder_pos_embed  # its first row belongs to the class token and is zero
        own = self.config.latent_position == "own"
        x: Tensor = self.decoder_embed(encoded.latent) + rows(table, encoded.kept + int(own))
        if self.config.class_token == "dropped":
            return x
        assert encoded.cls is not None  # "interpolate" mode has a class token
        return torch.cat([self.decoder_embed(encoded.cls), x], dim=1)


_BASE = ImageNetwork()
SIZES: dict[str, ImageNetwork] = {
    "tiny": tiny_size(ImageNetwork, __file__),
    "base": _BASE,
    "large": replace(_BASE, embed_dim=1024, depth=24, num_heads=16),
}
"""Named sizes: "base" is the paper's ViT-B, "large" is a ViT-L, "tiny" is that of the configuration `tiny`, for a CPU."""
