"""A tiny method with a short training: it learns the mean colour of noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from tests.shared.configured import configured
from vgmae_bench.config import Json
from vgmae_bench.training.loop import Job
from vgmae_bench.training.recipe import Batch, ClipShape, Losses, Recipe
from vgmae_bench.training.settings import LoopConfig
from vgmae_bench.types import Tracker

FAST = configured(
    LoopConfig,
    steps=12,
    batch_size=4,
    lr=0.05,
    workers=0,
    log_every=2,
    checkpoint_every=3,
    picture_every=0,
    validate_every=0,
    validate_clips=0,
)


class ToyRecipe(Recipe[nn.Linear, Batch]):
    def __init__(self, config: LoopConfig = FAST) -> None:
        super().__init__(config, lambda: nn.Linear(3, 3))

    def init_from(self, weights: Path) -> list[str]:
        return [f"initialised from {weights.name}"]

    def shape(self, step: int) -> ClipShape:
        return ClipShape(frames=2, image_size=4)

    def forward(self, batch: Batch, step: int) -> Losses:
        colour = batch.video.float().mean(dim=(1, 2, 3)) / 255
        noise = torch.stack([torch.rand(3, generator=torch.Generator().manual_seed(seed)) for seed in batch.seeds])
        loss = (self.network(colour + 0.1 * noise) - colour.flip(1)).square().mean()
        return Losses(loss, {"colour": loss.detach()})

    def export(self, path: Path, source: Json) -> None:
        save_file(self.network.state_dict(), path)

    def tracker(self, device: str) -> Tracker | None:
        return None

    def pictures(self, batch: Batch, path: Path) -> None:
        path.write_bytes(bytes(str(len(batch.video)), "ascii"))


class ToySource:
    """Noise; `before(first)` is called before the batch that begins with clip `first` is made."""

    def __init__(self, before: Callable[[int], object] = lambda first: None) -> None:
        self._before = before

    def batch(self, numbers: range, shape: ClipShape, device: str) -> Batch:
        self._before(numbers[0])
        size = (shape.frames, shape.image_size, shape.image_size, 3)
        clips = [
            torch.randint(256, size, generator=torch.Generator().manual_seed(number), dtype=torch.uint8)
            for number in numbers
        ]
        return Batch(torch.stack(clips), tuple(numbers))

    def examples(self, count: int, shape: ClipShape, device: str) -> Batch:
        return ToySource().batch(range(count), shape, device)

    def describe(self) -> Json:
        return "noise"

    def skipped(self) -> dict[Path, str]:
        return {Path("broken.mp4"): "broken.mp4 cannot be read"}


def job(out: Path, config: LoopConfig = FAST, **changes: Any) -> Job[Batch]:
    given: dict[str, Any] = {"source": ToySource(), "device": "cpu", **changes}
    return Job("toy", ToyRecipe(config), out=out, **given)
