"""Random weights that are a function of a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's global CPU generator with that seed. Afterwards the generator is as it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def untrained(make: Callable[[], M], seed: int) -> M:
    """The network that `make` makes, in evaluation mode, with random weights that depend on the seed alone."""
    with seeded(seed):
        return make().eval()
