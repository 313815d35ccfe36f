"""Asynchronous copies to a device, and the memory limit for one chunk of a computation."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

SHARE = 4
"""A chunk may use one part in `SHARE` of a GPU's free memory."""
MOST = 2**32
"""The most bytes for a chunk on a GPU. Larger chunks are not faster."""
ON_CPU = 2**27
"""Bytes for a chunk on the CPU. Other programs may use the free main memory at any time, so it is not measured."""


def to_device(values: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor from the host to a device, through pinned memory, without waiting for the device.

    Do not use this for copies to the host: such a copy may contain old values until the device has finished.
    """
    device = torch.device(device)
    if device.type == "cpu" or values.device.type != "cpu":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


Values = tuple[float, ...] | tuple[tuple[float, ...], ...]


@lru_cache(maxsize=128)
def placed(make: Callable[..., Tensor], *arguments: object, device: torch.device) -> Tensor:
    """The result of `make(*arguments)` on a device. It is computed and copied once, then cached. Do not change it."""
    with torch.inference_mode(False):  # training cannot use tensors that were made in inference mode
        return to_device(make(*arguments), device)


def constant(values: Values, like: Tensor) -> Tensor:
    """Like `like.new_tensor(values)`, but without waiting for the device. Do not change the result."""
    return placed(_tensor, values, like.dtype, device=like.device)


def _tensor(values: Values, dtype: torch.dtype) -> Tensor:
    return torch.tensor(values, dtype=dtype)


def piece_bytes(device: torch.device) -> int:
    """The memory limit of one chunk in bytes: a quarter of a GPU's free memory, at most 4 GiB; 128 MiB on the CPU.

    Memory that PyTorch has reserved but does not use counts as free.
    """
    if device.type != "cuda":
        return ON_CPU
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(MOST, (free + kept) // SHARE)


def at_once(bytes_each: int, device: torch.device) -> int:
    """Number of items of this size (in bytes) in one chunk of a computation, at least 1."""
    return max(1, piece_bytes(device) // max(1, bytes_each))
