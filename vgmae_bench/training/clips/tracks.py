"""Clips with tracks for training: rendered on the training device, or from any dataset with tracks.

As in `sources.py`, clips are numbered. A number always gives the same clip and the same points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vgmae_bench.config import Json
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.synth.dataset import VERSION
from vgmae_bench.data.synth.tracks import sample_points, track_points
from vgmae_bench.devices import to_device
from vgmae_bench.errors import BadDataError, UsageError
from vgmae_bench.settings import at_least
from vgmae_bench.training.clips.bank import Bank
from vgmae_bench.training.clips.synthetic import clip_seed, synth_scenes, synth_video
from vgmae_bench.training.recipe import ClipShape, Source
from vgmae_bench.training.settings import ClipDataConfig
from vgmae_bench.types import Clip

CANDIDATES = 3
"""Number of candidates per synthetic point, because many candidates are not visible in the first frame."""


@dataclass(frozen=True)
class TrackDataConfig(ClipDataConfig):
    """Settings of clips with tracks.

    Attributes:
        points: tracks per clip; fewer if a clip does not have enough. Official settings of Video-GMAE have 32 or 15.

    Raises:
        UsageError: a value is out of range.
    """

    points: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, points=1)


class TrackBatch(NamedTuple):
    """Clips with points. Every point is visible in the first frame.

    Attributes:
        video: uint8 [B, T, H, W, 3] RGB on the training device.
        xy: float32 [B, N, T, 2] in units of the frame, (0, 0) to (1, 1), also where a point is hidden.
        occluded: bool [B, N, T].
        valid: bool [B, N], False for the padding of clips with fewer points.
        seeds: one per clip; see `vgmae_bench.training.recipe.Batch`.
    """

    video: Tensor
    xy: Tensor
    occluded: Tensor
    valid: Tensor
    seeds: tuple[int, ...]


class SynthTracks(Source[TrackBatch]):
    """Clips of `synth` with tracks: its training split, and its validation split for examples.

    Arguments:
        seed: seed of the clips.
        points: wanted per clip.
        bank: cut clips from this bank instead of rendering each. Examples are always rendered.
    """

    def __init__(self, seed: int, points: int, bank: Bank | None = None) -> None:
        self._seed, self._points, self._bank = seed, points, bank

    def batch(self, numbers: range, shape: ClipShape, device: str) -> TrackBatch:
        """See `vgmae_bench.training.recipe.Source`."""
        if self._bank is not None and numbers[0] >= 0:
            video, xy, occluded, clear = (to_device(values, device) for values in self._bank.read(numbers, shape))
        else:
            size, wanted = shape.image_size, CANDIDATES * self._points
            scenes = synth_scenes(self._seed, numbers, shape, wanted).to(device)
            points = sample_points(scenes, wanted, size, size)
            places, occluded = track_points(scenes, points, size, size)
            video, xy, clear = synth_video(scenes, size), (places / size).float(), points.clear
        good = clear & ~occluded[:, :, 0]
        chosen = (~good).int().argsort(dim=1, stable=True)[:, : self._points]
        rows = torch.arange(len(chosen), device=chosen.device)[:, None]
        return TrackBatch(
            video=video,
            xy=xy[rows, chosen],
            occluded=occluded[rows, chosen],
            valid=good[rows, chosen],
            seeds=tuple(clip_seed(self._seed, number) for number in numbers),
        )

    def describe(self) -> Json:
        """See `vgmae_bench.training.recipe.Source.describe`."""
        return {"kind": "synth", "version": VERSION, "points": self._points}


class DatasetTracks(Source[TrackBatch]):
    """Random windows of the clips of a dataset, resized to a square. Examples come from the same clips.

    Clips that are too short repeat their last frame. Damaged clips are skipped.

    Arguments:
        name, options, root: of the dataset; see `vgmae_bench.data.open.open_dataset`.
        seed: seed of the choice of clips, windows and points.
        points: wanted per clip.
    """

    def __init__(self, name: str, options: Mapping[str, Any], root: Path | None, seed: int, points: int) -> None:
        self._dataset = open_dataset(name, options, root)
        self._name, self._seed, self._points = name, seed, points
        self._skipped: dict[Path, str] = {}

    def batch(self, numbers: Iterable[int], shape: ClipShape, device: str) -> TrackBatch:
        """See `vgmae_bench.training.recipe.Source`."""
        seeds = tuple(clip_seed(self._seed, number) for number in numbers)
        columns = zip(*(self._sample(seed, shape) for seed in seeds), strict=True)
        video, xy, occluded, valid = (to_device(torch.from_numpy(np.stack(column)), device) for column in columns)
        return TrackBatch(video, xy, occluded, valid, seeds)

    def describe(self) -> Json:
        """See `vgmae_bench.training.recipe.Source.describe`."""
        return {"kind": self._name, "digest": self._dataset.digest, "points": self._points}

    def skipped(self) -> dict[Path, str]:
        """See `vgmae_bench.training.recipe.Source.skipped`."""
        return dict(self._skipped)

    def _sample(self, seed: int, shape: ClipShape) -> tuple[np.ndarray, ...]:
        """Video, xy, occluded and valid of one clip; see `TrackBatch`."""
        rng = np.random.default_rng(seed)
        for clip_id in rng.permutation(np.array(self._dataset.ids, dtype=object)):
            try:
                return self._window(self._dataset.clip(clip_id), shape, rng)
            except BadDataError as error:
                self._skipped[Path(clip_id)] = str(error)
        raise BadDataError(f"{self._name} has no clip with a point for training")

    def _window(self, clip: Clip, shape: ClipShape, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        span = (shape.frames - 1) * shape.stride + 1
        starts = np.arange(max(clip.num_frames - span, 0) + 1)
        starts = starts[(~clip.occluded[:, starts]).any(axis=0)]
        if not len(starts):
            raise BadDataError(f'Clip "{clip.id}" of {self._name} has no window that begins with a visible point')
        start = rng.choice(starts)
        frames = np.minimum(start + shape.stride * np.arange(shape.frames), clip.num_frames - 1)
        points = rng.permutation(np.flatnonzero(~clip.occluded[:, start]))[: self._points]
        xy = np.zeros((self._points, shape.frames, 2), dtype=np.float32)
        occluded = np.ones(xy.shape[:2], dtype=np.bool_)
        xy[: len(points)] = clip.points[points][:, frames]
        occluded[: len(points)] = clip.occluded[points][:, frames]
        video = clip.frames((shape.image_size, shape.image_size))[frames]
        return video, xy, occluded, np.arange(self._points) < len(points)


def open_tracks(
    name: str, options: Mapping[str, Any], root: Path | None, seed: int, points: int, bank: Bank | None = None
) -> SynthTracks | DatasetTracks:
    """The clips with tracks that `--data` names: "synth" or a dataset.

    Arguments:
        name: of the data set.
        options: settings of the data set.
        root: folder of data files; None: the usual one.
        seed: of the training.
        points: tracks per clip, see `TrackDataConfig`.
        bank: clips of "synth" are cut from it; None: they are rendered.

    Raises:
        UserError: the dataset is unknown, settings are wrong, or files are missing or damaged.
    """
    if name != "synth":
        return DatasetTracks(name, options, root, seed, points)
    if options:
        raise UsageError(
            "synth accepts no settings here", "use the settings of the training: --set speed=…, --set points=…"
        )
    return SynthTracks(seed, points, bank)
