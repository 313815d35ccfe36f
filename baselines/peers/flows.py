"""Learned optical flow chained from frame to frame: RAFT of torchvision and of its authors, and the models of ptlflow."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from vgmae_bench import Queries, Tracks
from vgmae_bench.checkouts import Checkout
from vgmae_bench.errors import UsageError
from vgmae_bench.training.seeds import untrained

from ..chaining import Grey, Points, follow
from ..dense_flow.tracker import carry
from .common import ready

SOURCE = "princeton-vl/RAFT@2888e15:core"
_MULTIPLE, _SMALLEST = 8, 128  # pixels: of the sides of frames, and RAFT's smallest side


@dataclass(frozen=True)
class RaftConfig:
    """Settings.

    Attributes:
        iterations: of the update.
        max_error: a point is lost once following it there and back misses it by more, pixels.
    """

    iterations: int = 12
    max_error: float = 2.0


@dataclass(frozen=True)
class PtlflowConfig:
    """Settings.

    Attributes:
        model: a name of ptlflow: raft, gma, sea_raft, flowformer, …
        max_error: a point is lost once following it there and back misses it by more, pixels.
    """

    model: str = "raft"
    max_error: float = 2.0


class FlowTracker:
    """Points carried along by the flow between neighbouring frames; see `vgmae_baselines.chaining.follow`.

    Arguments:
        network: on the device.
        flow: (network, first image, second image), both float32 [1, 3, H, W] RGB from 0 to 255, to flow [1, 2, H, W].
        code: which repository or package runs, see `vgmae_bench.types.Foreign`.
    """

    def __init__(
        self,
        network: Any,
        flow: Callable[[Any, Tensor, Tensor], Tensor],
        max_error: float,
        note: str,
        device: str,
        code: str,
    ) -> None:
        self.note, self.checkout = note, code
        self._network, self._flow, self._max_error, self._device = network, flow, max_error, device

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        return follow(frames, queries, self._carry, self._max_error, colour=True)

    def _carry(self, first: Grey, second: Grey, xy: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
        """Frames are padded at their ends to multiples of 8 pixels, and to 128 pixels at least."""
        height, width = first.shape[:2]
        more = [max(_SMALLEST, -(-side // _MULTIPLE) * _MULTIPLE) - side for side in (width, height)]
        images = (torch.from_numpy(np.ascontiguousarray(image)).to(self._device) for image in (first, second))
        padded = [pad(x.permute(2, 0, 1)[None].float(), (0, more[0], 0, more[1]), mode="replicate") for x in images]
        flow = self._flow(self._network, *padded)[0, :, :height, :width]
        return carry(flow.permute(1, 2, 0).float().cpu().numpy(), xy)


def version(package: str) -> str:
    """The version of an installed package, or that of a module which lies on the path without one."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return str(getattr(importlib.import_module(package), "__version__", "unknown"))


def raft(config: RaftConfig, weights: Path | None, device: str, seed: int) -> FlowTracker:
    """RAFT (large) of torchvision."""
    from torchvision.models.optical_flow import raft_large

    def flow(network: Any, first: Tensor, second: Tensor) -> Tensor:
        found: Tensor = network(first / 127.5 - 1, second / 127.5 - 1, num_flow_updates=config.iterations)[-1]
        return found

    network, note = ready(untrained(lambda: raft_large(weights=None), seed), weights, device)
    return FlowTracker(network, flow, config.max_error, note, device, f"torchvision {version('torchvision')}")


def raft_princeton(config: RaftConfig, weights: Path | None, device: str, seed: int) -> FlowTracker:
    """RAFT of its authors."""
    found = Checkout(SOURCE)
    make = found.module("raft").RAFT
    settings = argparse.Namespace(small=False, mixed_precision=False, alternate_corr=False, dropout=0)

    def flow(network: Any, first: Tensor, second: Tensor) -> Tensor:
        upsampled: Tensor = network(first, second, iters=config.iterations, test_mode=True)[1]
        return upsampled

    network, note = ready(untrained(lambda: make(settings), seed), weights, device)
    return FlowTracker(network, flow, config.max_error, note, device, found.identity)


def ptlflow(config: PtlflowConfig, weights: Path | None, device: str, seed: int) -> FlowTracker:
    """A model of ptlflow, by its name there. It wants BGR images from 0 to 1, and pads them itself."""
    import ptlflow as library

    if config.model not in library.get_model_names():
        why = f"it has {len(library.get_model_names())} models"
        names = "python -c 'import ptlflow; print(ptlflow.get_model_names())'"
        raise UsageError(f'ptlflow has no model "{config.model}"', why, try_=names)

    def flow(network: Any, first: Tensor, second: Tensor) -> Tensor:
        images = torch.stack([first, second], dim=1).flip(2) / 255
        found: Tensor = network({"images": images})["flows"][:, 0]
        return found

    network, note = ready(untrained(lambda: library.get_model(config.model), seed), weights, device)
    return FlowTracker(network, flow, config.max_error, note, device, f"ptlflow {version('ptlflow')}")
