"""The settings of the TAP-Vid datasets, and a dataset with its settings applied, for pickles and for prepared files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pydantic

from vgmae_bench.config import Json, to_json
from vgmae_bench.data.dataset import Coverage, VideoShape, stored_digest
from vgmae_bench.errors import BadDataError, UnknownNameError
from vgmae_bench.plugins import did_you_mean
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
        scaled: npt.NDArray[np.float64] = self.points * np.array([width - 1, height - 1])
        return scaled


class StoredDataset(Protocol):
    """The parts of a dataset that `WithSettings` reads: a `TapVid` or a `PreparedDataset`."""

    identity: dict[str, Json]
    files: list[Path]
    coverage: Coverage
    own_queries: bool

    @property
    def shapes(self) -> Mapping[str, VideoShape | None]:
        """(T, H, W) by clip id; None for a clip that cannot be used."""
        ...

    @property
    def notes(self) -> list[str]:
        """Remarks on this copy."""
        ...

    def clip(self, clip_id: str) -> Clip:
        """The clip of that id."""
        ...


@dataclass(frozen=True)
class _Piece:
    """Frames `start` … `stop` - 1 of the stored clip `whole`. If `stop` is None, all frames."""

    whole: str
    start: int = 0
    stop: int | None = None


class WithSettings:
    """A stored dataset with the settings of a TAP-Vid set applied (see `vgmae_bench.data.dataset.Dataset`).

    Attributes:
        ids: those of the stored dataset; pieces of a cut video are "name+0", "name+1", …
        digest: SHA-256 of what is stored and of the settings.
        options: the settings.
        identity, files, coverage, notes, own_queries: of the stored dataset.
        shapes: (T, H, W) by clip id; None for a clip that cannot be used.
    """

    def __init__(self, stored: StoredDataset, config: TapVidConfig) -> None:
        self._stored, self._config = stored, config
        self.options: dict[str, Json] = {key: to_json(value) for key, value in vars(config).items()}
        self.identity, self.files, self.coverage = stored.identity, stored.files, stored.coverage
        self.notes, self.own_queries = stored.notes, stored.own_queries
        self.digest = stored_digest(self.identity, self.options)
        self._pieces: dict[str, _Piece] = {}
        self.shapes: dict[str, VideoShape | None] = {}
        for name, shape in stored.shapes.items():
            self._add(name, shape)
        self.ids = list(self._pieces)

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id. Raises UnknownNameError if there is none, and the errors of the stored dataset."""
        if clip_id not in self._pieces:
            raise UnknownNameError(f'There is no clip "{clip_id}"', did_you_mean(clip_id, self._pieces))
        piece = self._pieces[clip_id]
        clip = self._stored.clip(piece.whole)
        if piece.stop is not None:
            clip = clip.cut(piece.start, piece.stop, clip_id)
        if isinstance(self._config, KineticsConfig) and self._config.half_pixel == "compensate":
            height, width = clip.size
            clip = dataclasses.replace(clip, points=clip.points + 0.5 / np.array([width, height]))
        if self._config.point_scale == "minus_one":
            return MinusOneClip(**{field.name: vars(clip)[field.name] for field in dataclasses.fields(clip)})
        return clip

    def _add(self, name: str, shape: VideoShape | None) -> None:
        longest = self._config.long_video_split if isinstance(self._config, RoboTapConfig) else 0
        if not longest or shape is None or shape[0] <= longest:
            self._add_piece(name, _Piece(name), shape)
            return
        num_frames, height, width = shape
        count = -(-num_frames // longest)
        for number in range(count):
            # The bounds of the official evaluation: pieces differ by at most one frame.
            start, stop = number * num_frames // count, (number + 1) * num_frames // count
            self._add_piece(f"{name}+{number}", _Piece(name, start, stop), (stop - start, height, width))

    def _add_piece(self, clip_id: str, piece: _Piece, shape: VideoShape | None) -> None:
        if clip_id in self._pieces:
            raise BadDataError(f'There are two clips "{clip_id}"', "one of them is a piece of a long video")
        self._pieces[clip_id] = piece
        self.shapes[clip_id] = shape
