"""What a video encoder offers to those that read its features."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn


class VideoEncoder(Protocol):
    """What is probed: a `torch.nn.Module` with the following. An encoder of images takes clips of one frame.

    Blocks in a submodule `blocks` (`….blocks.0.…`, as in timm) can be fine-tuned at rates of their own.

    Attributes:
        num_frames: T, frames of the clips it takes.
        image_size: their side S, pixels.
        width: C, numbers in a token.
        norm: its last norm, `nn.Identity()` where there is none.
    """

    num_frames: int
    image_size: int
    width: int
    norm: nn.Module

    def __call__(self, video: Tensor) -> Tensor:
        """Tokens as the last block leaves them, before `norm`, all patches being seen, without class tokens.

        float32 [B, 3, T, S, S], ImageNet-normalised RGB, to float [B, N, C].
        """
        ...

    def parameters(self) -> Any:
        """As of `torch.nn.Module`."""
        ...

    def to(self, device: str) -> Any:
        """As of `torch.nn.Module`."""
        ...


class NormedEncoder(nn.Module):
    """A `VideoEncoder` made of a network that is called with a clip and ends in a norm.

    Arguments:
        network: its `norm` is taken from it.
        num_frames, image_size, width: see `VideoEncoder`.
    """

    def __init__(self, network: nn.Module, num_frames: int, image_size: int, width: int) -> None:
        super().__init__()
        self.num_frames, self.image_size, self.width = num_frames, image_size, width
        norm = network.norm
        assert isinstance(norm, nn.Module)  # it is the network's last
        self.norm, self.network = norm, network
        network.norm = nn.Identity()

    def forward(self, video: Tensor) -> Tensor:
        """See `VideoEncoder.__call__`."""
        tokens: Tensor = self.network(video)
        return tokens
