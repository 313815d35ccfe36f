"""Sources of clips: rendered on the training device, read from a folder of videos or images, or mixed.

Clips are numbered. The clip of a number depends on the seed alone. So a training that continues after a break, or with another
number of processes, sees the same clips in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from vgmae_bench.ahead import made_ahead
from vgmae_bench.config import Json
from vgmae_bench.data.synth.dataset import VERSION
from vgmae_bench.data.synth.render import render_video
from vgmae_bench.devices import to_device
from vgmae_bench.errors import UsageError
from vgmae_bench.training.clips.bank import Bank, BankConfig
from vgmae_bench.training.clips.synthetic import clip_seed, synth_flow, synth_scenes, synth_video
from vgmae_bench.training.recipe import Batch, ClipShape
from vgmae_bench.training.settings import LoopConfig

LIMIT = 256 * 2**20
"""Bytes of clips that `Kept` keeps. Beyond it, clips are made each time."""


class Clips(Protocol):
    """One kind of clips."""

    def read(self, numbers: Sequence[int], shape: ClipShape, device: str) -> Tensor:
        """Clips, uint8 [B, T, H, W, 3] RGB, on the device. Negative numbers are examples, which training never uses."""

    def flow(self, numbers: Sequence[int], shape: ClipShape, device: str) -> Tensor | None:
        """True motion of every pixel of examples (see `Batch.flow`), or None if it is not known."""

    def describe(self) -> Json:
        """Everything that the clips depend on, as plain JSON, without paths of this machine."""

    def skipped(self) -> dict[Path, str]:
        """Files that could not be read so far, with the reasons."""


class Kept:
    """Keeps repeated clips of one shape in memory, by number, so that they are made only once.

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


class SynthClips:
    """Clips of `synth`, rendered on the training device: its training split, and its validation split for examples.

    Arguments:
        seed: seed of the training.
        bank: cut clips from this bank instead of rendering each. Examples are always rendered.
        repeat: the clips repeat, so they are kept in memory (`Kept`).
    """

    def __init__(self, seed: int, bank: Bank | None = None, *, repeat: bool = False) -> None:
        self._seed, self._bank = seed, bank
        self._kept = Kept() if repeat and bank is None else None

    def read(self, numbers: Sequence[int], shape: ClipShape, device: str) -> Tensor:
        """See `Clips.read`."""
        if self._bank is not None and numbers[0] >= 0:
            return to_device(self._bank.read(numbers, shape).video, device)
        if self._kept is None or numbers[0] < 0:
            return self._render(numbers, shape, device)
        return self._kept.clips(numbers, shape, lambda missing: self._render(missing, shape, device))

    def _render(self, numbers: Sequence[int], shape: ClipShape, device: str) -> Tensor:
        return synth_video(synth_scenes(self._seed, numbers, shape).to(device), shape.image_size)

    def flow(self, numbers: Sequence[int], shape: ClipShape, device: str) -> Tensor:
        """See `Clips.flow`."""
        return synth_flow(synth_scenes(self._seed, numbers, shape).to(device), shape.image_size).float()

    def describe(self) -> Json:
        """See `Clips.describe`."""
        return {"kind": "synth", "version": VERSION}

    def skipped(self) -> dict[Path, str]:
        """See `Clips.skipped`."""
        return {}


def calibration_clip(number: int, frames: int, size: int, device: str) -> Tensor:
    """A clip of `synth`'s training split, uint8 [T, size, size, 3] RGB. It is the same on machines without a compiler."""
    return synth_video(synth_scenes(0, [number], ClipShape(frames, size)).to(device), size, render_video)[0]


class FileClips:
    """Random clips of the videos in a folder, or random crops of its images as clips of one frame. Threads decode the files.

    Examples come from the same videos at other times, or from the images in the sub-folder `val` if it exists.

    Arguments:
        path: the folder.
        seed: seed of the training.
        workers: number of threads.
        images: the folder has images instead of videos.
    """

    def __init__(self, path: Path, seed: int, workers: int, *, images: bool = False) -> None:
        from vgmae_bench.data.video.images import ImageTree  # needs PyAV; rendered clips do not
        from vgmae_bench.data.video_folder import VideoFolder

        self._files: Any = ImageTree(path) if images else VideoFolder(path)
        self._name, self._seed, self._images = path.resolve().name, seed, images
        self._threads = workers if workers > 1 else 0

    def read(self, numbers: Sequence[int], shape: ClipShape, device: str) -> Tensor:
        """See `Clips.read`."""

        def sample(number: int) -> Tensor:
            rng = np.random.default_rng(clip_seed(self._seed, number))
            if self._images:
                return torch.from_numpy(self._files.sample(rng, shape.image_size, example=number < 0)[None])
            return torch.from_numpy(self._files.sample(rng, shape.frames, shape.stride, shape.image_size))

        return to_device(torch.stack(list(made_ahead(numbers, sample, len(numbers), self._threads))), device)

    def flow(self, numbers: Sequence[int], shape: ClipShape, device: str) -> None:
        """See `Clips.flow`."""
        return

    def describe(self) -> Json:
        """See `Clips.describe`."""
        if self._images:
            return {"kind": "images", "name": self._name, "images": len(self._files)}
        return {"kind": "folder", "name": self._name, "videos": len(self._files)}

    def skipped(self) -> dict[Path, str]:
        """See `Clips.skipped`."""
        return dict(self._files.skipped)


class ClipStream:
    """A mixture of several kinds of clips. The probability of a kind is proportional to its weight."""

    def __init__(self, parts: Sequence[tuple[Clips, float]], seed: int) -> None:
        self._clips = [clips for clips, _ in parts]
        weights = [weight for _, weight in parts]
        self._shares = np.cumsum(weights) / np.sum(weights)
        self._seed = seed

    def batch(self, numbers: range, shape: ClipShape, device: str) -> Batch:
        """See `vgmae_bench.training.recipe.Source`."""
        seeds = tuple(clip_seed(self._seed, number) for number in numbers)
        kinds = [self._kind(seed) for seed in seeds]
        return Batch(self._read(numbers, kinds, shape, device), seeds, tuple(numbers))

    def examples(self, count: int, shape: ClipShape, device: str) -> Batch:
        """See `vgmae_bench.training.recipe.Source.examples`. Kinds alternate."""
        numbers = range(-1, -1 - count, -1)
        kinds = [index % len(self._clips) for index in range(count)]
        video = self._read(numbers, kinds, shape, device)
        flow = torch.full((*video[:, 1:].shape[:4], 2), torch.nan, device=device)
        for place, (number, kind) in enumerate(zip(numbers, kinds, strict=True)):
            if shape.frames > 1 and (known := self._clips[kind].flow([number], shape, device)) is not None:
                flow[place] = known[0]
        seeds = tuple(clip_seed(self._seed, number) for number in numbers)
        return Batch(video, seeds, tuple(numbers), None if flow.isnan().all() else flow)

    def describe(self) -> Json:
        """See `vgmae_bench.training.recipe.Source.describe`."""
        shares = np.diff(self._shares, prepend=0.0)
        return [
            {"share": round(float(share), 6), "clips": clips.describe()}
            for clips, share in zip(self._clips, shares, strict=True)
        ]

    def skipped(self) -> dict[Path, str]:
        """See `vgmae_bench.training.recipe.Source.skipped`."""
        return {path: why for clips in self._clips for path, why in clips.skipped().items()}

    def _kind(self, seed: int) -> int:
        return int(np.searchsorted(self._shares, np.random.default_rng(seed).random(), side="right"))

    def _read(self, numbers: Sequence[int], kinds: Sequence[int], shape: ClipShape, device: str) -> Tensor:
        """The clips in the order of their numbers. All clips of a kind are read together."""
        places: list[int] = []
        videos = []
        for kind in sorted(set(kinds)):
            mine = [place for place, its in enumerate(kinds) if its == kind]
            places += mine
            videos.append(self._clips[kind].read([numbers[place] for place in mine], shape, device))
        if len(videos) == 1:
            return videos[0]
        return torch.cat(videos)[torch.tensor(places).argsort()]


def open_bank(config: LoopConfig, shape: ClipShape) -> Bank | None:
    """The bank in a training's settings, rendered if necessary; None if the settings have no bank."""
    data = config.data
    if not data.bank_scenes:
        return None
    return Bank(BankConfig(data.bank_scenes, data.bank_frames, shape.image_size, shape.speed, config.seed))


def open_clips(
    data: Sequence[str],
    seed: int,
    workers: int,
    *,
    images: bool = False,
    bank: Callable[[], Bank | None] = lambda: None,
    repeat: bool = False,
) -> ClipStream:
    """The clips that `--data` names: "synth" or a folder, each with an optional weight: "synth=3", "./videos=1".

    Arguments:
        images: read single frames. Folders must then contain images instead of videos.
        bank: opens the bank for synthetic clips, or returns None. It is called if "synth" is among the data.
        repeat: the clips repeat, so synthetic clips are rendered once.

    Raises:
        UsageError: a name is neither "synth" nor a folder, or a weight is impossible.
        BadDataError, MissingDataError: a folder has no readable video, or no images.
    """
    parts: list[tuple[Clips, float]] = []
    for text in data:
        name, weight = _weighted(text)
        if name == "synth":
            parts.append((SynthClips(seed, bank(), repeat=repeat), weight))
        elif Path(name).is_dir():
            parts.append((FileClips(Path(name), seed, workers, images=images), weight))
        else:
            raise UsageError(f'There is no data "{name}"', "it is neither synth nor a folder", try_="--data synth")
    return ClipStream(parts, seed)


def _weighted(text: str) -> tuple[str, float]:
    name, equals, number = text.rpartition("=")
    if not equals or Path(text).is_dir():
        return text, 1.0
    try:
        weight = float(number)
    except ValueError:
        weight = -1.0
    if not 0 < weight < float("inf"):
        raise UsageError(f'"{number}" is not a weight', "data looks like synth, ./videos or ./videos=0.5")
    return name, weight
