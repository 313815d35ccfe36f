"""The encoder of TrackMAE and VideoMAE with Video-GMAE's cross-attention readout on top."""

from __future__ import annotations

from torch import Tensor

from vgmae_bench.models.readout import CrossAttentionReadout, ReadoutConfig, ReadoutNetwork

from .network import Encoder, EncoderConfig


class ReadoutTracker(ReadoutNetwork):
    """Predicts every frame, although a token spans several.

    Raises:
        UsageError: the readout's heads do not divide the encoder's width.
    """

    def __init__(self, config: EncoderConfig, readout: ReadoutConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.readout = CrossAttentionReadout(readout, config.embed_dim, config.slots, config.grid, config.num_frames)

    def tokens(self, video: Tensor, order: Tensor | None) -> Tensor:
        """See `ReadoutNetwork.tokens`."""
        out: Tensor = self.encoder(video, order)
        return out
