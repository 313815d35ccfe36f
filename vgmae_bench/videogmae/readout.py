"""Video-GMAE's encoder with the cross-attention readout on top."""

from __future__ import annotations

from torch import Tensor

from vgmae_bench.models.readout import CrossAttentionReadout, ReadoutConfig, ReadoutNetwork
from vgmae_bench.videogmae.network import Encoder, NetworkConfig
from vgmae_bench.videogmae.positions import space_table


class ReadoutTracker(ReadoutNetwork, Encoder):
    """A Video-GMAE encoder with the readout on top. Its state dict is that of the official fine-tuned tracker."""

    def __init__(self, config: NetworkConfig, readout: ReadoutConfig) -> None:
        super().__init__(config)
        if config.position == "interpolate":
            # Not used; official checkpoints contain it.
            self.register_buffer("decoder_pos_embed", space_table(config, config.decoder_embed_dim))
        self.readout = CrossAttentionReadout(
            readout, config.embed_dim, config.num_frames, config.grid, config.num_frames
        )

    def tokens(self, video: Tensor, order: Tensor | None) -> Tensor:
        """See `ReadoutNetwork.tokens`."""
        return self.encode(video, order=order).latent
