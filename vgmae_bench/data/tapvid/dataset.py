"""The published TAP-Vid datasets and RoboTAP: opens each by its settings, from pickles or from a prepared file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from vgmae_bench import data
from vgmae_bench.config import Json
from vgmae_bench.data.dataset import VideoShape, stored_digest
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.data.tapvid.pickles import TapVid
from vgmae_bench.errors import BadDataError
from vgmae_bench.plugins import DatasetSpec
from vgmae_bench.types import Clip, Size


@dataclass(frozen=True)
class TapVidConfig:
    """Settings of all TAP-Vid datasets.

    Attributes:
        point_scale: "full", the protocol, multiplies stored points by (W, H). "minus_one" multiplies them by (W - 1, H
            - 1), as CoTracker's reader does. Use it only to reproduce CoTracker's numbers.
    """

    point_scale: Literal["full", "minus_one"] = "full"


@dataclass(frozen=True)
class KineticsConfig(TapVidConfig):
    """Settings of `kinetics`.

    Attributes:
        half_pixel: the published generator stores points half a source pixel too far up and left. "keep" keeps them, as
            in the benchmark. "compensate" adds the half pixel back.
    """

    half_pixel: Literal["keep", "compensate"] = "keep"


@dataclass(frozen=True)
class RoboTapConfig(TapVidConfig):
    """Settings of `robotap`.

    Attributes:
        long_video_split: cut videos with more frames than this into equal pieces, each a clip of its own. The official
            evaluation cuts at 1000 frames; CoTracker's does not cut. 0 keeps videos whole.
    """

    long_video_split: Annotated[int, pydantic.Field(ge=0)] = 0


class MinusOneClip(Clip):
    """A clip whose points are scaled as CoTracker's reader scales them."""

    def tracks(self, size: Size | None = None) -> npt.NDArray[np.float64]:
        """float64 [N, T, 2]: stored points times (W - 1, H - 1) of frames of `size` (height, width)."""
        height, width = size or self.size
        return np.asarray(self.points * np.array([width - 1, height - 1]), dtype=np.float64)


class WithSettings:
    """A stored dataset with the settings of a TAP-Vid set applied (see `vgmae_bench.data.dataset.Dataset`).

    Attributes:
        ids: those of the stored dataset; pieces of a cut video are "name+0", "name+1", …
        digest: SHA-256 of what is stored and of the settings.
        options: the settings.
        identity, files, coverage, notes, own_queries: of the stored dataset.
        shapes: (T, H, W) by clip id; None for a clip that cannot be used.
    """

    def __init__(
        self, spec: DatasetSpec, root: Path, config: TapVidConfig, prepared: Path | None, containers: tuple[type, ...]
    ) -> None:
        stored = PreparedDataset(prepared, spec) if prepared else TapVid(spec, root, containers)
        self._stored, self._config = stored, config
        self.options: dict[str, Json] = dict(vars(config))
        self.identity, self.files, self.coverage = stored.identity, stored.files, stored.coverage
        self.notes, self.own_queries = stored.notes, stored.own_queries
        self.digest = stored_digest(self.identity, self.options)
        self._pieces: dict[str, tuple[str, int, int] | None] = {}
        """The stored clip, the first frame and the end of each piece of a cut video; None for whole clips."""
        self.shapes: dict[str, VideoShape | None] = {}
        longest = config.long_video_split if isinstance(config, RoboTapConfig) else 0
        for name, shape in stored.shapes.items():
            if not longest or shape is None or shape[0] <= longest:
                self._add(name, None, shape)
                continue
            num_frames, height, width = shape
            count = -(-num_frames // longest)
            for number in range(count):
                # The bounds of the official evaluation: pieces differ by at most one frame.
                start, stop = number * num_frames // count, (number + 1) * num_frames // count
                self._add(f"{name}+{number}", (name, start, stop), (stop - start, height, width))
        self.ids = list(self.shapes)

    def _add(self, clip_id: str, piece: tuple[str, int, int] | None, shape: VideoShape | None) -> None:
        if clip_id in self.shapes:
            raise BadDataError(f'There are two clips "{clip_id}"', "one of them is a piece of a long video")
        self._pieces[clip_id], self.shapes[clip_id] = piece, shape

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id. Raises the errors of the stored dataset."""
        if piece := self._pieces[clip_id]:
            name, start, stop = piece
            clip = self._stored.clip(name).cut(start, stop, clip_id)
        else:
            clip = self._stored.clip(clip_id)
        if isinstance(self._config, KineticsConfig) and self._config.half_pixel == "compensate":
            height, width = clip.size
            clip = dataclasses.replace(clip, points=clip.points + 0.5 / np.array([width, height]))
        if self._config.point_scale == "minus_one":
            return MinusOneClip(**{field.name: vars(clip)[field.name] for field in dataclasses.fields(clip)})
        return clip


def davis(root: Path, config: TapVidConfig, prepared: Path | None = None) -> WithSettings:
    """TAP-Vid-DAVIS. Downloads itself if it is missing in `root`."""
    return WithSettings(data.DAVIS, root, config, prepared, (dict,))


def rgb_stacking(root: Path, config: TapVidConfig, prepared: Path | None = None) -> WithSettings:
    """TAP-Vid-RGB-Stacking. Downloads itself if it is missing in `root`."""
    return WithSettings(data.RGB_STACKING, root, config, prepared, (list,))


def kinetics(root: Path, config: KineticsConfig, prepared: Path | None = None) -> WithSettings:
    """TAP-Vid-Kinetics, prepared from videos or from shards that the user has built. The error says how if both are missing."""
    return WithSettings(data.KINETICS, root, config, prepared, (list, dict))


def robotap(root: Path, config: RoboTapConfig, prepared: Path | None = None) -> WithSettings:
    """RoboTAP. Downloads itself if it is missing in `root`."""
    return WithSettings(data.ROBOTAP, root, config, prepared, (dict,))
