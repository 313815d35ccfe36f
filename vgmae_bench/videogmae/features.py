"""Video-GMAE's encoder as a supplier of features for tracking without training."""

from __future__ import annotations

from torch import Tensor

from vgmae_bench.videogmae.network import Encoder


class EncoderFeatures:
    """An encoder's last features, after its norm, all patches being seen; see `vgmae_bench.models.features.PatchEncoder`."""

    time_stride = 1

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        config = encoder.config
        self.num_frames, self.image_size, self.patch_size = config.num_frames, config.image_size, config.patch_size

    def patch_features(self, video: Tensor) -> Tensor:
        """float32 [B, 3, T, S, S] to float [B, T, h, w, embed_dim]."""
        grid = self._encoder.config.grid
        features: Tensor = self._encoder.encode(video).latent.unflatten(1, (self.num_frames, grid, grid))
        return features
