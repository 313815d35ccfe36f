"""Batches and losses for training heads and classifiers with the shared training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgmae_bench.config import Json
from vgmae_bench.downstream.actions.features import Features
from vgmae_bench.downstream.actions.heads import LabelledBatch
from vgmae_bench.downstream.actions.report import draw_answers
from vgmae_bench.downstream.actions.settings import FinetuneConfig, ProbeConfig
from vgmae_bench.downstream.actions.videos import Actions
from vgmae_bench.downstream.actions.views import erase, mix, random_crop, random_numbers, read_frames, views_of
from vgmae_bench.errors import BadDataError
from vgmae_bench.models.encoder import VideoEncoder
from vgmae_bench.models.frames import prepare_clips
from vgmae_bench.models.weights_file import save_weights
from vgmae_bench.training.clips.synthetic import clip_seed
from vgmae_bench.training.recipe import ClipShape, Losses, Recipe, evaluating
from vgmae_bench.types import Uint8Array


class Shuffled:
    """Maps clip numbers to `count` items so that each epoch has every item once, in a new random order."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._order = lru_cache(maxsize=4)(self._permutation)

    def __getitem__(self, number: int) -> int:
        epoch, place = divmod(number, self._count)
        return int(self._order(epoch)[place])

    def _permutation(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self._seed, epoch]).permutation(self._count)


class FeatureSource:
    """Features with labels; see `vgmae_bench.training.recipe.Source`. Examples come from the test videos."""

    def __init__(
        self, parts: Sequence[tuple[Features, npt.NDArray[np.int64]]], seed: int, described: dict[str, Json]
    ) -> None:
        (self._learned, _), (self._tested, _) = parts
        self._labels, self._answers = (torch.from_numpy(labels)[features.rows] for features, labels in parts)
        self._order, self._seed, self._described = Shuffled(len(self._labels), seed), seed, described

    def batch(self, numbers: range, shape: ClipShape, device: str) -> LabelledBatch:
        """See `vgmae_bench.training.recipe.Source.batch`."""
        rows = torch.tensor([self._order[number] for number in numbers])
        seeds = tuple(clip_seed(self._seed, number) for number in numbers)
        return LabelledBatch(self._learned.values[rows, 0].to(device), self._labels[rows].to(device), seeds)

    def examples(self, count: int, shape: ClipShape, device: str) -> LabelledBatch:
        """See `vgmae_bench.training.recipe.Source.examples`."""
        return LabelledBatch(self._tested.values[:count, 0].to(device), self._answers[:count].to(device), ())

    def describe(self) -> Json:
        """See `vgmae_bench.training.recipe.Source.describe`."""
        return self._described

    def skipped(self) -> dict[Path, str]:
        """See `vgmae_bench.training.recipe.Source.skipped`."""
        failed = {**self._learned.skipped, **self._tested.skipped}
        return {Path(name): f"{name}: {why}" for name, why in failed.items()}


class ClipSource:
    """Augmented clips with labels; see `vgmae_bench.training.recipe.Source`. Examples are first views of test videos."""

    def __init__(
        self, actions: Actions, encoder: VideoEncoder, config: FinetuneConfig, described: dict[str, Json]
    ) -> None:
        self._learned, self._tested, self._config, self._described = actions.train, actions.test, config, described
        self._frames, self._size = encoder.num_frames, encoder.image_size
        self._order = Shuffled(len(self._learned.ids), config.seed)
        self._skipped: dict[Path, str] = {}

    def batch(self, numbers: range, shape: ClipShape, device: str) -> LabelledBatch:
        """See `vgmae_bench.training.recipe.Source.batch`."""
        seeds = tuple(clip_seed(self._config.seed, number) for number in numbers)
        found = [self._clip(self._order[number], seed) for number, seed in zip(numbers, seeds, strict=True)]
        clips, rows = zip(*found, strict=True)
        labels = torch.from_numpy(self._learned.labels[list(rows)])
        return LabelledBatch(torch.from_numpy(np.stack(clips)).to(device), labels.to(device), seeds)

    def examples(self, count: int, shape: ClipShape, device: str) -> LabelledBatch:
        """See `vgmae_bench.training.recipe.Source.examples`."""
        rows = range(min(count, len(self._tested.ids)))
        views = [views_of(self._tested.open(row), self._frames, self._size, self._config)[0] for row in rows]
        labels = torch.from_numpy(self._tested.labels[list(rows)])
        return LabelledBatch(torch.from_numpy(np.stack(views)).to(device), labels.to(device), ())

    def describe(self) -> Json:
        """See `vgmae_bench.training.recipe.Source.describe`."""
        return self._described

    def skipped(self) -> dict[Path, str]:
        """See `vgmae_bench.training.recipe.Source.skipped`."""
        return dict(self._skipped)

    def _clip(self, row: int, seed: int) -> tuple[Uint8Array, int]:
        """A clip of a video, and the video's row. If the video cannot be read, the next readable one is used."""
        config, count = self._config, len(self._learned.ids)
        assert config.sampling is not None and config.min_area is not None
        for candidate in ((row + step) % count for step in range(count)):
            rng = np.random.default_rng(seed)
            try:
                video = self._learned.open(candidate)
                available = max(video.num_frames, 1)
                numbers = random_numbers(rng, available, self._frames, config.sampling, config.stride)
                frames = read_frames(video, numbers)
            except BadDataError as error:
                self._skipped[Path(self._learned.ids[candidate])] = str(error)
                continue
            clip = random_crop(frames, self._size, config.min_area, rng)
            mirrored = config.flip and rng.random() < 0.5
            return (np.ascontiguousarray(clip[:, :, ::-1]) if mirrored else clip), candidate
        raise BadDataError(f"None of the {count} videos can be read", next(iter(self._skipped.values()), ""))


class ProbeRecipe(Recipe[nn.Module, LabelledBatch]):
    """Trains a head on features.

    Arguments:
        make: creates the model.
        classes: names of the classes.
        about: description of the weights' purpose, for the weights file.
    """

    kind = "probe-head"

    def __init__(
        self, config: ProbeConfig, make: Callable[[], nn.Module], classes: Sequence[str], about: dict[str, Json]
    ) -> None:
        super().__init__(config, make)
        self._classes, self._about = classes, about

    def init_from(self, weights: Path) -> list[str]:
        """See `vgmae_bench.training.recipe.Recipe.init_from`."""
        raise NotImplementedError("probes start from their encoder")

    def shape(self, step: int) -> ClipShape:
        """See `vgmae_bench.training.recipe.Recipe.shape`."""
        return ClipShape(0, 0)  # its sources have the shape

    def forward(self, batch: LabelledBatch, step: int) -> Losses:
        """See `vgmae_bench.training.recipe.Recipe.forward`."""
        logits: Tensor = self.network(batch.inputs)
        hit = (logits.argmax(dim=1) == batch.labels).float().mean()
        return Losses(F.cross_entropy(logits, batch.labels), {"accuracy": hit})

    def export(self, path: Path, source: Json) -> None:
        """See `vgmae_bench.training.recipe.Recipe.export`."""
        save_weights(path, self.network.state_dict(), self.kind, {**self._about, "source": source})

    def tracker(self, device: str) -> None:
        """None: a probe does not track."""

    def pictures(self, batch: LabelledBatch, path: Path) -> None:
        """Draw the likeliest classes of each clip."""
        with torch.no_grad(), evaluating(self.network):
            shares = self.network(batch.inputs).softmax(dim=1)
        draw_answers(shares.float().cpu().numpy(), batch.labels.cpu().numpy(), self._classes, path)


class FinetuneRecipe(ProbeRecipe):
    """Trains an encoder with its head on clips."""

    kind = "probe-classifier"

    def forward(self, batch: LabelledBatch, step: int) -> Losses:
        """See `vgmae_bench.training.recipe.Recipe.forward`."""
        config = self.config
        assert isinstance(config, FinetuneConfig)
        rng = np.random.default_rng(batch.seeds)
        video = erase(prepare_clips(batch.inputs), config.erasing or 0, rng)
        smoothing = config.smoothing or 0
        targets = F.one_hot(batch.labels, len(self._classes)).float() * (1 - smoothing) + smoothing / len(self._classes)
        video, targets = mix(video, targets, config.mixup or 0, config.cutmix or 0, rng)
        logits: Tensor = self.network(video)
        hit = (logits.argmax(dim=1) == targets.argmax(dim=1)).float().mean()
        return Losses(F.cross_entropy(logits, targets), {"accuracy": hit})
