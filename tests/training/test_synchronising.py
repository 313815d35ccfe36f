"""An update of the weights does not wait for the device.

The device is simulated: `tests.shared.pretend`. The loop's own part of an update is repeated here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.pretraining.pretrain import Pretraining as GMRWPretraining
from vgmae_baselines.trackmae.pretrain import PretrainConfig as TrackMAEConfig
from vgmae_baselines.trackmae.pretrain import Pretraining as TrackMAEPretraining
from vgmae_baselines.trackmae.teachers.teacher import TeacherTracks, grid_points

from tests.baselines.gmrw.pretraining.test_pretrain import TINY as GMRW
from tests.baselines.trackmae.sliding import NETWORK as TRACKMAE
from tests.gmae.nets import TINY as GMAE
from tests.shared.configured import changed, configured
from tests.shared.pretend import DEVICE, pretended
from vgmae_bench.config import Json
from vgmae_bench.devices import to_device
from vgmae_bench.gmae.pretrain import Pretraining as GMAEPretraining
from vgmae_bench.models.readout_recipe import FinetuneConfig
from vgmae_bench.training.checkpoint import Meter
from vgmae_bench.training.clips.tracks import TrackBatch
from vgmae_bench.training.recipe import Batch, Recipe
from vgmae_bench.training.schedule import MovingAverage, parameter_groups
from vgmae_bench.videogmae.finetune import finetuning
from vgmae_bench.videogmae.pretrain import PretrainConfig, Pretraining

Make = Callable[[], Recipe[Any, Any]]

NETWORK: dict[str, Any] = {
    "image_size": 16, "patch_size": 4, "num_frames": 2, "num_gaussians": 16, "embed_dim": 24, "depth": 1, "num_heads": 2,
    "decoder_embed_dim": 24, "decoder_depth": 2, "decoder_num_heads": 2, "decoder": "per_identity",
    "query_position": "anchored", "gaussian_start": "grid", "steps": 10, "batch_size": 2,
}  # fmt: skip
PAPER: dict[str, Any] = {"mask_ratio": 0.5}
REGISTRATION: dict[str, Any] = {"mask_ratio": 0.0, "registration_weight": 0.03}
MOTION: dict[str, Any] = {
    "mask_ratio": 0.5, "mask_mode": "first_shown", "motion_only": True, "neighbour_gradients": True,
    "preconditioning": 0.3, "carry_error": "moving", "blurs": (5.0, 0.0),
}  # fmt: skip


class Teacher:
    """Nothing moves."""

    def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> TeacherTracks:
        B, T, H, W, _ = video.shape
        xy = grid_points(H, W, grid).expand(B, T, -1, -1).transpose(1, 2).contiguous()
        xy = to_device(xy, video.device)
        return TeacherTracks(xy, torch.ones(xy.shape[:3], dtype=torch.bool, device=video.device))

    def describe(self) -> Json:
        return "still"


def videogmae(**settings: Any) -> Make:
    return lambda: Pretraining(configured(PretrainConfig, **NETWORK, **settings))


def trackmae(**settings: Any) -> Make:
    config = configured(TrackMAEConfig, **vars(TRACKMAE), mask_ratio=0.7, **settings)
    return lambda: TrackMAEPretraining(config, Teacher())


def clips(frames: int, size: int) -> Callable[[], Batch]:
    video = torch.randint(0, 256, (2, frames, size, size, 3), dtype=torch.uint8)
    return lambda: Batch(video.to(DEVICE), (0, 1), (0, 1))


def tracked(frames: int = 2, size: int = 32, points: int = 5) -> TrackBatch:
    return TrackBatch(
        torch.randint(0, 256, (2, frames, size, size, 3), dtype=torch.uint8).to(DEVICE),
        torch.rand(2, points, frames, 2).to(DEVICE),
        torch.zeros(2, points, frames, dtype=torch.bool).to(DEVICE),
        torch.ones(2, points, dtype=torch.bool).to(DEVICE),
        (0, 1),
    )


UPDATES: dict[str, tuple[Make, Callable[[], Batch | TrackBatch]]] = {
    "videogmae: the paper's loss": (videogmae(**PAPER), clips(2, 16)),
    "videogmae: registration": (videogmae(**REGISTRATION), clips(2, 16)),
    "videogmae: the loss of motion": (videogmae(**MOTION), clips(2, 16)),
    "videogmae: a readout": (lambda: finetuning(configured(FinetuneConfig, size="tiny"), None), tracked),
    "gmae": (lambda: GMAEPretraining(changed(GMAE, backend="auto")), clips(1, 32)),
    "trackmae: random masks": (trackmae(mask_type="random"), clips(8, 32)),
    "gmrw": (lambda: GMRWPretraining(changed(GMRW, smoothness=1.0)), clips(2, 40)),
}


def waits(make: Make, batch: Callable[[], Batch | TrackBatch]) -> dict[str, int]:
    """The waits of an update of the weights. The first update is not counted, because it may fill caches."""
    with pretended() as device:
        recipe, given = make().to(DEVICE), batch()
        optimizer = torch.optim.AdamW(parameter_groups(recipe.network, 0.05), lr=1e-3)
        average, meter = MovingAverage(recipe.network, 0.9, warmup=True), Meter()
        for _ in range(2):
            device.waits.clear()
            losses = recipe(given, 0)
            losses.total.backward()
            norm = torch.nn.utils.clip_grad_norm_(recipe.network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            average.update_parameters(recipe.network)
            meter.add({"loss": losses.total, **losses.parts, "grad_norm": norm})
            meter.count()
        return dict(device.waits)


@pytest.mark.parametrize("kind", UPDATES)
def test_an_update_does_not_wait(kind: str) -> None:
    assert waits(*UPDATES[kind]) == {}


def test_masks_by_motion_wait_once_for_the_teachers_tracks() -> None:
    """The tracks select the tokens, and the host must know their number."""
    found = waits(trackmae(mask_type="motion-bins"), clips(8, 32))
    assert list(found.values()) == [1]
    assert next(iter(found)).startswith("to the host: baselines/trackmae/pretrain.py masks")


def test_a_line_of_the_log_waits_once() -> None:
    with pretended() as device:
        meter = Meter()
        for loss in (1.0, 3.0):
            value = torch.tensor(loss).to(DEVICE)
            meter.add({"loss": value, "twice": 2 * value})
            meter.count()
        device.waits.clear()
        assert meter.means() == {"loss": 2.0, "twice": 4.0}
        assert sum(device.waits.values()) == 1
