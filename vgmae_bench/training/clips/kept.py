"""Clips that come again are made once and kept in memory, up to a limit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vgmae_bench.training.recipe import ClipShape

LIMIT = 256 * 2**20
"""Bytes of clips that are kept. Once they are full, the other clips are made each time."""


class Kept:
    """The clips of one shape that were made so far, by number.

    They repeat in a fixed order (`vgmae_bench.training.settings.DataConfig`), so the first ones are as good to
    keep as any others, and nothing is replaced. Clips of another shape replace them all: that is another stage.

    Arguments:
        limit: bytes.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._shape: ClipShape | None = None
        self._clips: dict[int, Tensor] = {}
        self._bytes = 0

    def missing(self, numbers: Sequence[int], shape: ClipShape) -> list[int]:
        """Those of the numbers that must be made."""
        if shape != self._shape:
            self._shape, self._clips, self._bytes = shape, {}, 0
        return [number for number in numbers if number not in self._clips]

    def complete(self, numbers: Sequence[int], missing: Sequence[int], made: Tensor | None) -> Tensor:
        """The clips of all numbers, [B, …]. Those that were `missing` have been `made`, and are kept if there is room."""
        new = {} if made is None else dict(zip(missing, made, strict=True))
        clips = torch.stack([new[number] if number in new else self._clips[number] for number in numbers])
        for number, clip in new.items():
            if self._bytes + clip.nbytes <= self._limit:
                self._clips[number] = clip.clone()  # a view would keep its whole batch
                self._bytes += clip.nbytes
        return clips
