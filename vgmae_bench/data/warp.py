"""The embedded dataset `warp`: photographs moved by known warps. clips/warp.md describes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pydantic

from vgmae_bench import data
from vgmae_bench.config import Json
from vgmae_bench.data.dataset import stored_digest
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.types import Clip

FILE = Path(__file__).parent / "clips" / "warp.h5"
AtLeastOne = Annotated[int | None, pydantic.Field(ge=1)]


@dataclass(frozen=True)
class WarpConfig:
    """Settings that make the dataset smaller, for trials of slow trackers. Scores of a part are comparable with nothing else.

    Attributes:
        clips: the first clips only; None: all four.
        frames: the first frames of each clip only; None: all.
        points: the first tracks of each clip that are visible in these frames; None: all.
    """

    clips: AtLeastOne = None
    frames: AtLeastOne = None
    points: AtLeastOne = None


class PartOfWarp:
    """A part of the dataset (see `vgmae_bench.data.dataset.Dataset`).

    Attributes:
        options: the settings.
        digest: SHA-256 of the whole dataset and of the settings.
    """

    def __init__(self, whole: PreparedDataset, config: WarpConfig) -> None:
        self._whole, self._config = whole, config
        self.ids, self.files = whole.ids[: config.clips], whole.files
        self.options: dict[str, Json] = whole.options | vars(config)
        self.digest = stored_digest(whole.identity, self.options)

    def clip(self, clip_id: str) -> Clip:
        """The beginning of a clip of `ids`."""
        clip = self._whole.clip(clip_id)
        clip = clip.cut(0, min(self._config.frames or clip.num_frames, clip.num_frames), clip_id)
        kept = np.flatnonzero(~clip.occluded.all(axis=1))[: self._config.points]
        return replace(clip, points=clip.points[kept], occluded=clip.occluded[kept])


def warp(config: WarpConfig) -> PreparedDataset | PartOfWarp:
    """The four clips, or a part of them. The installed package contains them in the prepared form."""
    whole = PreparedDataset(FILE, data.WARP)
    return whole if config == WarpConfig() else PartOfWarp(whole, config)
