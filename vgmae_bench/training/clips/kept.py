"""Keeps repeated clips in memory, up to a limit, so that they are made only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vgmae_bench.training.recipe import ClipShape

LIMIT = 256 * 2**20
"""Limit in bytes. Beyond it, clips are made each time."""


class Kept:
    """The clips of one shape made so far, by number.

    Clips repeat in a fixed order (`vgmae_bench.training.settings.DataConfig`). It is therefore enough to keep the first ones.
    No clip is replaced. Clips of another shape (another stage) replace all of them.

    Arguments:
        limit: in bytes.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._shape: ClipShape | None = None
        self._clips: dict[int, Tensor] = {}
        self._bytes = 0

    def clips(self, numbers: Sequence[int], shape: ClipShape, make: Callable[[list[int]], Tensor]) -> Tensor:
        """The clips of these numbers, [B, …]. `make` makes those that are not kept; they are then kept if there is room."""
        if shape != self._shape:
            self._shape, self._clips, self._bytes = shape, {}, 0
        missing = [number for number in numbers if number not in self._clips]
        new = dict(zip(missing, make(missing), strict=True)) if missing else {}
        clips = torch.stack([new[number] if number in new else self._clips[number] for number in numbers])
        for number, clip in new.items():
            if self._bytes + clip.nbytes <= self._limit:
                self._clips[number] = clip.clone()  # a view would keep its whole batch in memory
                self._bytes += clip.nbytes
        return clips
