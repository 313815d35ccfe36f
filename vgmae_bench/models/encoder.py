"""The interface of video encoders for code that uses their features."""

from __future__ import annotations

from typing import Any, Generic, Protocol

from torch import Tensor, nn

from vgmae_bench.models.nn import ViTConfig
from vgmae_bench.training.recipe import N


class VideoEncoder(Protocol):
    """An encoder for probes: a `torch.nn.Module` with these members. An encoder of images has clips of one frame.

    If a submodule `blocks` holds the blocks (`….blocks.0.…`, as in timm), fine-tuning can set a learning rate per layer.

    Attributes:
        num_frames: T, frames per clip.
        image_size: S, side of the frames in pixels.
        width: C, channels of a token.
        norm: the last norm; `nn.Identity()` if there is none.
    """

    num_frames: int
    image_size: int
    width: int
    norm: nn.Module

    def __call__(self, video: Tensor) -> Tensor:
        """The tokens after the last block, before `norm`, without masking and without class tokens.

        Maps float32 [B, 3, T, S, S], ImageNet-normalised RGB, to float [B, N, C].
        """

    def parameters(self) -> Any:
        """As of `torch.nn.Module`."""

    def to(self, device: str) -> Any:
        """As of `torch.nn.Module`."""


class NormedEncoder(nn.Module, Generic[N]):
    """A `VideoEncoder` for a network that is called with a clip and ends with a norm.

    Arguments:
        network: the network. Its `norm` becomes the encoder's.
        shape: its shape.
    """

    def __init__(self, network: N, shape: ViTConfig) -> None:
        super().__init__()
        self.num_frames, self.image_size, self.width = shape.num_frames, shape.image_size, shape.embed_dim
        self.norm, self.network = network.get_submodule("norm"), network
        network.norm = nn.Identity()

    def forward(self, video: Tensor) -> Tensor:
        """See `VideoEncoder.__call__`."""
        tokens: Tensor = self.network(video)
        return tokens
