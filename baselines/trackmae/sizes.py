"""The shape of a TrackMAE network, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vgmae_bench.config import build, read_toml
from vgmae_bench.settings import multiple_of, positive


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of the encoder.

    Attributes:
        image_size, patch_size: sides of the square frames and of their square patches, in pixels.
        num_frames: frames per clip.
        tubelet_size: frames per token.
        embed_dim, depth, num_heads: width, and numbers of blocks and heads.
        mlp_ratio: hidden width of the MLPs divided by their width, also in the decoders.
        position: "flattened": sinusoids of a token's number (paper). Its vertical neighbour is then less similar than its
            horizontal one. "factored" (ours): sinusoids of column, row and time.
        attention_start: initial attention: "random" (paper), or queries equal to keys ("similar", ours).
        patch_start: initial patch embedding: "random" (paper), or whitened patches ("whitened", ours).

    Raises:
        UsageError: a number is not positive, or numbers are not divisible as needed.
    """

    image_size: int = 224
    patch_size: int = 16
    num_frames: int = 16
    tubelet_size: int = 2
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    mlp_ratio: float = 4.0
    position: Literal["flattened", "factored"] = "flattened"
    attention_start: Literal["random", "similar"] = "random"
    patch_start: Literal["random", "whitened"] = "random"

    def __post_init__(self) -> None:
        positive(self, *(name for name, value in vars(self).items() if not isinstance(value, str)))
        multiple_of(self, image_size="patch_size", num_frames="tubelet_size", embed_dim="num_heads")
        if self.position == "factored":  # a quarter of the width encodes time, and three eighths each row and column
            multiple_of(self, embed_dim=16)

    @property
    def grid(self) -> int:
        """Patches along one side of a frame."""
        return self.image_size // self.patch_size

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
    "tiny": build(
        NetworkConfig, read_toml(Path(__file__).parent / "configs" / "tiny.toml")["network"], owner="trackmae"
    ),
    "small": NetworkConfig(embed_dim=384, num_heads=6, decoder_embed_dim=192, decoder_num_heads=3),
    "base": NetworkConfig(),
    "large": NetworkConfig(embed_dim=1024, depth=24, num_heads=16, decoder_embed_dim=512, decoder_num_heads=8),
}
"""Named sizes: ViT-S, -B and -L as in the official code; "tiny" is that of the configuration `tiny`, for a CPU."""
