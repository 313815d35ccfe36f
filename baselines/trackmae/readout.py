"""The encoder of TrackMAE and VideoMAE with Video-GMAE's cross-attention readout on top."""

from __future__ import annotations

from torch import Tensor, nn

from vgmae_bench.models.readout import CrossAttentionReadout, ReadoutConfig

from .network import Encoder, EncoderConfig


class ReadoutTracker(nn.Module):
    """Predicts every frame, although a token spans several. Called like `vgmae_bench.videogmae.readout.ReadoutTracker`.

    Raises:
        UsageError: the readout's heads do not divide the encoder's width.
    """

    def __init__(self, config: EncoderConfig, readout: ReadoutConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.readout = CrossAttentionReadout(readout, config.embed_dim, config.slots, config.grid, config.num_frames)

    def forward(
        self, video: Tensor, queries: Tensor, order: Tensor | None = None, *, points_at_once: int | None = 64
    ) -> tuple[Tensor, Tensor]:
        """See `CrossAttentionReadout.read_clip`."""
        return self.readout.read_clip(self.encoder, video, queries, order, points_at_once)
