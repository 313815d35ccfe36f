"""The shape of a TrackMAE network, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vgmae_bench.errors import UsageError


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
        for name, value in vars(self).items():
            if isinstance(value, int | float) and not value > 0:
                raise UsageError(f"The network's {name} must be positive", f"it is {value}")
        for name, divisor in (("image_size", "patch_size"), ("num_frames", "tubelet_size"), ("embed_dim", "num_heads")):
            require_multiple(self, name, divisor)
        self._check_table("embed_dim")

    def _check_table(self, width: str) -> None:
        if self.position == "factored" and getattr(self, width) % 16:
            raise UsageError(
                f"With position=factored {width} must be a multiple of 16",
                f"it is {getattr(self, width)}; a quarter of it encodes time, and three eighths the column and the row",
            )

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
        require_multiple(self, "decoder_embed_dim", "decoder_num_heads")
        self._check_table("decoder_embed_dim")


def require_multiple(config: EncoderConfig, name: str, divisor: str) -> None:
    """Check that one size of the network is a multiple of another.

    Raises:
        UsageError: it is not a multiple.
    """
    if getattr(config, name) % getattr(config, divisor):
        raise UsageError(
            f"The network's {name} must be a multiple of its {divisor}",
            f"they are {getattr(config, name)} and {getattr(config, divisor)}",
        )


SIZES: dict[str, NetworkConfig] = {
    "tiny": NetworkConfig(
        image_size=64,
        patch_size=8,
        num_frames=8,
        embed_dim=96,
        depth=4,
        num_heads=3,
        decoder_embed_dim=64,
        decoder_num_heads=2,
        decoder_depth=2,
        motion_decoder_depth=2,
        position="factored",
        attention_start="similar",
        patch_start="whitened",
    ),
    "small": NetworkConfig(embed_dim=384, num_heads=6, decoder_embed_dim=192, decoder_num_heads=3),
    "base": NetworkConfig(),
    "large": NetworkConfig(embed_dim=1024, depth=24, num_heads=16, decoder_embed_dim=512, decoder_num_heads=8),
}
"""Named sizes: ViT-S, -B and -L as in the official code; "tiny" can be trained on a CPU."""
