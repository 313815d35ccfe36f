"""Features of Video-GMAE's encoder for tracking without training."""

from __future__ import annotations

from torch import Tensor

from vgmae_bench.videogmae.network import Encoder


class EncoderFeatures:
    """The encoder's last features, after its norm, without masking; see `vgmae_bench.models.features.PatchEncoder`."""

    time_stride = 1

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        config = encoder.config
        self.num_frames, self.image_size, self.patch_size = config.num_frames, config.image_size, config.patch_size

    def patch_features(self, video: Tensor) -> Tensor:
        """Features, float [B, T, h, w, embed_dim], of a video, float32 [B, 3, T, S, S]."""
        grid = self._encoder.config.grid
        features: Tensor = self._encoder.encode(video).latent.unflatten(1, (self.num_frames, grid, grid))
        return features
