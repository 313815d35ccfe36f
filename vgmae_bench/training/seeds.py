"""Random weights that depend on a seed alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Set the seed of torch's global CPU generator within a `with` block, and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def untrained(make: Callable[[], M], seed: int) -> M:
    """A network from `make` in evaluation mode, with random weights that depend on the seed alone."""
    with seeded(seed):
        return make().eval()
