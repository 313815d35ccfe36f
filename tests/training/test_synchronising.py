"""An update of the weights does not wait for the device: nothing in it asks for the value of a tensor.

Without a device at hand, the operations are counted that would make the host wait for one: reading a number, and finding
which elements are true.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.configured import configured
from vgmae_bench.training.meter import Meter
from vgmae_bench.training.recipe import Batch
from vgmae_bench.training.schedule import parameter_groups
from vgmae_bench.videogmae.pretrain import PretrainConfig, Pretraining

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal")

NETWORK: dict[str, Any] = {
    "image_size": 16, "patch_size": 4, "num_frames": 2, "num_gaussians": 16, "embed_dim": 24, "depth": 1, "num_heads": 2,
    "decoder_embed_dim": 24, "decoder_depth": 2, "decoder_num_heads": 2, "decoder": "per_identity",
    "query_position": "anchored", "gaussian_start": "grid", "steps": 10, "batch_size": 2,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "the paper's loss": {"mask_ratio": 0.5},
    "registration": {"mask_ratio": 0.0, "registration_weight": 0.03},
    "the loss of motion": {
        "mask_ratio": 0.5, "mask_mode": "first_shown", "motion_only": True, "neighbour_gradients": True,
        "preconditioning": 0.3, "carry_error": "moving", "blurs": (5.0, 0.0),
    },
}  # fmt: skip


class Waiting(TorchDispatchMode):
    """Counts what would wait for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITS or (name.startswith("index") and any(_is_mask(value) for value in args)):
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def _is_mask(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(
        isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in value
    )


def test_what_waits_is_counted() -> None:
    values = torch.arange(4.0)
    with Waiting() as waiting:
        float(values.sum())
        values[values > 1]
        values.nonzero()
    assert waiting.counts == {"_local_scalar_dense": 1, "index": 1, "nonzero": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_of_video_gmae_does_not_wait(kind: str) -> None:
    recipe = Pretraining(configured(PretrainConfig, **NETWORK, **KINDS[kind]))
    optimizer = torch.optim.SGD(parameter_groups(recipe.network, 0.05), lr=1e-3)
    meter, video = Meter(), torch.randint(0, 256, (2, 2, 16, 16, 3), dtype=torch.uint8)

    def update() -> None:
        losses = recipe(Batch(video, (0, 1)), 0)
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(recipe.network.parameters(), 1.0)
        optimizer.step()
        meter.add({"loss": losses.total, **losses.parts})
        meter.count()

    update()  # what is found out once may wait
    with Waiting() as waiting:
        update()
    assert not waiting.counts
