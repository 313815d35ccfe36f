"""Features of TrackMAE's and VideoMAE's encoder for tracking without training."""

from __future__ import annotations

from itertools import islice

from torch import Tensor

from vgmae_bench.errors import UsageError

from .network import Encoder


class EncoderFeatures:
    """The features after a block of the encoder, without masking; see `vgmae_bench.models.features.PatchEncoder`.

    Arguments:
        layer: number of blocks before the features; None: all blocks.
        final_norm: apply the encoder's last LayerNorm after any block.

    Raises:
        UsageError: the encoder has no such block.
    """

    def __init__(self, encoder: Encoder, layer: int | None = None, final_norm: bool = True) -> None:
        config = encoder.config
        self._encoder, self._norm = encoder, final_norm
        self._layer = config.depth if layer is None else layer
        if not 1 <= self._layer <= config.depth:
            raise UsageError(f"layer must be 1 to {config.depth}", f"it is {layer}")
        self.num_frames, self.image_size, self.patch_size = config.num_frames, config.image_size, config.patch_size
        self.time_stride = config.tubelet_size

    def patch_features(self, video: Tensor) -> Tensor:
        """Features, float [B, slots, h, w, embed_dim], of a video, float32 [B, 3, T, S, S]."""
        config = self._encoder.config
        tokens: Tensor = next(islice(self._encoder.layers(video), self._layer - 1, None))
        if self._norm:
            tokens = self._encoder.norm(tokens)
        features: Tensor = tokens.unflatten(1, (config.slots, config.grid, config.grid))
        return features
