"""The shape of a TrackMAE network, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vgmae_bench.models.nn import ViTConfig, tiny_size
from vgmae_bench.settings import multiple_of


@dataclass(frozen=True)
class EncoderConfig(ViTConfig):
    """The shape of the encoder.

    Attributes:
        tubelet_size: frames per token.
        position: "flattened": sinusoids of a token's number (paper). Its vertical neighbour is then less similar than its
            horizontal one. "factored" (ours): sinusoids of column, row and time.

    Raises:
        UsageError: a number is not positive, or numbers are not divisible as needed.
    """

    tubelet_size: int = 2
    position: Literal["flattened", "factored"] = "flattened"

    def __post_init__(self) -> None:
        super().__post_init__()
        multiple_of(self, num_frames="tubelet_size")
        if self.position == "factored":  # a quarter of the width encodes time, and three eighths each row and column
            multiple_of(self, embed_dim=16)

    @property
    def tubes(self) -> int:
        """Number of tubes: a tube is a patch through the whole clip."""
        return self.grid**2

    @property
    def slots(self) -> int:
        """Number of tokens per tube."""
        return self.num_frames // self.tubelet_size

    @property
    def num_tokens(self) -> int:
        """N, the number of tokens. Their order is slot * tubes + row * grid + column."""
        return self.slots * self.tubes

    @property
    def patch_values(self) -> int:
        """Number of pixel values of a token."""
        return 3 * self.tubelet_size * self.patch_size**2


@dataclass(frozen=True)
class NetworkConfig(EncoderConfig):
    """The shape of the encoder and of the two decoders, for appearance and for motion.

    Attributes:
        decoder_embed_dim, decoder_num_heads: width and heads of both decoders.
        decoder_depth, motion_decoder_depth: numbers of their blocks.
    """

    decoder_embed_dim: int = 384
    decoder_num_heads: int = 6
    decoder_depth: int = 4
    motion_decoder_depth: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        multiple_of(self, decoder_embed_dim="decoder_num_heads")
        if self.position == "factored":
            multiple_of(self, decoder_embed_dim=16)


SIZES: dict[str, NetworkConfig] = {
    "tiny": tiny_size(NetworkConfig, __file__),
    "small": NetworkConfig(embed_dim=384, num_heads=6, decoder_embed_dim=192, decoder_num_heads=3),
    "base": NetworkConfig(),
    "large": NetworkConfig(embed_dim=1024, depth=24, num_heads=16, decoder_embed_dim=512, decoder_num_heads=8),
}
"""Named sizes: ViT-S, -B and -L as in the official code; "tiny" is that of the configuration `tiny`, for a CPU."""
