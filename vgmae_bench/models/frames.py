"""Converts clips to network input: resized, normalised, one window of frames at a time."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vgmae_bench.devices import to_device
from vgmae_bench.models.nn import imagenet_statistics
from vgmae_bench.types import Size

Layout = Literal["thwc", "tchw", "cthw"]
_AXES: dict[Layout, tuple[int, ...]] = {"thwc": (0, 1, 2, 3), "tchw": (0, 3, 1, 2), "cthw": (3, 0, 1, 2)}


def to_video(
    frames: npt.NDArray[np.uint8],
    layout: Layout = "tchw",
    value_range: tuple[float, float] = (0, 255),
    device: str = "cpu",
) -> Tensor:
    """Frames in the layout that other people's video networks take: a batch of one clip.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB.
        layout: order of the axes of the result.
        value_range: what 0 and 255 become.
        device: a torch device.

    Returns:
        float32 [1, …] in that order.
    """
    low, high = value_range
    video = to_device(torch.from_numpy(np.ascontiguousarray(frames)), device).float()
    video = video if value_range == (0, 255) else video / 255 * (high - low) + low
    return video.permute(_AXES[layout])[None]


class FrameWindows:
    """Windows of a clip as network input.

    If windows are requested in ascending order, each frame is prepared once. Memory holds the last window only.

    Arguments:
        frames: uint8 [T, H, W, 3] RGB.
        length: frames per window.
        size: (height, width) of the network's input.
        device: the device of the result.
    """

    def __init__(self, frames: npt.NDArray[np.uint8], length: int, size: Size, device: torch.device) -> None:
        self._frames, self._length, self._size, self._device = frames, length, size, device
        self._held: dict[int, Tensor] = {}

    def __getitem__(self, start: int) -> Tensor:
        """The window from frame `start`: float32 [1, 3, length, height, width]. The clip's last frame repeats after its end."""
        wanted = [min(frame, len(self._frames) - 1) for frame in range(start, start + self._length)]
        self._held = {frame: held for frame, held in self._held.items() if frame in wanted}
        new = sorted(set(wanted) - set(self._held))
        if new:
            prepared = prepare(to_device(torch.from_numpy(self._frames[new]), self._device), self._size)
            self._held.update(zip(new, prepared, strict=True))
        return torch.stack([self._held[frame] for frame in wanted], dim=1)[None]


def prepare(frames: Tensor, size: Size) -> Tensor:
    """uint8 [N, H, W, 3] RGB → float32 [N, 3, *size]: resized (bicubic, antialiased) and ImageNet-normalised."""
    images = frames.permute(0, 3, 1, 2).float() / 255
    if images.shape[2:] != size:
        images = interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = imagenet_statistics(images)
    return (images - mean) / std


def prepare_clips(video: Tensor) -> Tensor:
    """Clips, uint8 [B, T, H, W, 3] RGB → float32 [B, 3, T, H, W], ImageNet-normalised."""
    frames = prepare(video.flatten(0, 1), (video.shape[2], video.shape[3]))
    return frames.view(*video.shape[:2], *frames.shape[1:]).transpose(1, 2)


def restore(images: Tensor) -> Tensor:
    """Invert the normalisation of `prepare`: float32 [N, 3, h, w] → [N, h, w, 3] RGB in [0, 1]."""
    mean, std = imagenet_statistics(images)
    return (images * std + mean).clamp(0, 1).permute(0, 2, 3, 1)
