"""Copies to a device without waiting for it, and the memory that one piece of a computation may take there."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

SHARE = 4
"""A piece may take one part in this many of a GPU's free memory."""
MOST = 2**32
"""Bytes that a piece may take at most on a GPU. Larger pieces are not faster."""
ON_CPU = 2**27
"""Bytes that a piece may take on the CPU, where free memory is not known to stay free."""


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from the host to a device. The host does not wait: the device reads pinned memory by itself.

    Not for the way back: a copy to the host that is not waited for holds values of before.
    """
    if device.type == "cpu" or values.device.type != "cpu":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


Values = tuple[float, ...] | tuple[tuple[float, ...], ...]


@lru_cache(maxsize=128)
def placed(make: Callable[..., Tensor], *arguments: object, device: torch.device) -> Tensor:
    """The result of `make(*arguments)` on a device: computed and copied once, then kept. It must not be written to."""
    with torch.inference_mode(False):  # otherwise training could not use what tracking has made
        return to_device(make(*arguments), device)


def constant(values: Values, like: Tensor) -> Tensor:
    """Like `like.new_tensor(values)`, which makes the host wait for the device. It must not be written to."""
    return placed(_tensor, values, like.dtype, device=like.device)


def _tensor(values: Values, dtype: torch.dtype) -> Tensor:
    return torch.tensor(values, dtype=dtype)


def piece_bytes(device: torch.device) -> int:
    """Bytes that one piece of a computation may take: a quarter of a GPU's free memory, at most 4 GiB; 128 MiB on the CPU.

    Memory that PyTorch holds and does not use counts as free.
    """
    if device.type != "cuda":
        return ON_CPU
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(MOST, (free + kept) // SHARE)


def at_once(bytes_each: int, device: torch.device) -> int:
    """Number of items of this size in a piece of the computation, at least 1."""
    return max(1, piece_bytes(device) // max(1, bytes_each))
