"""Video-GMAE's encoder with the cross-attention readout on top."""

from __future__ import annotations

from torch import Tensor

from vgmae_bench.models.readout import CrossAttentionReadout, ReadoutConfig
from vgmae_bench.videogmae.network import Encoder, NetworkConfig
from vgmae_bench.videogmae.positions import space_table


class ReadoutTracker(Encoder):
    """A Video-GMAE encoder with the readout on top. Its state dict is that of the official fine-tuned tracker."""

    def __init__(self, config: NetworkConfig, readout: ReadoutConfig) -> None:
        super().__init__(config)
        if config.position == "interpolate":
            # Not used; official checkpoints contain it.
            self.register_buffer("decoder_pos_embed", space_table(config, config.decoder_embed_dim))
        self.readout = CrossAttentionReadout(
            readout, config.embed_dim, config.num_frames, config.grid, config.num_frames
        )

    def forward(
        self, video: Tensor, queries: Tensor, order: Tensor | None = None, *, points_at_once: int | None = 64
    ) -> tuple[Tensor, Tensor]:
        """See `CrossAttentionReadout.read_clip`."""
        return self.readout.read_clip(self._tokens, video, queries, order, points_at_once)

    def _tokens(self, video: Tensor, order: Tensor | None) -> Tensor:
        return self.encode(video, order=order).latent
