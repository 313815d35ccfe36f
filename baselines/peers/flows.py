"""Learned optical flow chained from frame to frame: RAFT of torchvision and of its authors, and the models of ptlflow."""

from __future__ import annotations

import argparse
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from vgmae_bench import Queries, Tracks
from vgmae_bench.errors import UsageError

from ..chaining import Grey, Points, follow
from ..dense_flow.tracker import carry
from . import RAFT_PRINCETON
from .common import Peer

_MULTIPLE, _SMALLEST = 8, 128  # pixels: of the sides of frames, and RAFT's smallest side


@dataclass(frozen=True)
class FlowConfig:
    """Settings.

    Attributes:
        max_error: largest forward-backward error in pixels; beyond it, a point is lost.
    """

    max_error: float = 2.0


@dataclass(frozen=True)
class RaftConfig(FlowConfig):
    """Settings.

    Attributes:
        iterations: number of updates.
    """

    iterations: int = 12


@dataclass(frozen=True)
class PtlflowConfig(FlowConfig):
    """Settings.

    Attributes:
        model: name of a model in ptlflow: raft, gma, sea_raft, flowformer, …
    """

    model: str = "raft"


C = TypeVar("C", bound=FlowConfig)


class FlowTracker(Peer[C]):
    """Points follow the flow between neighbouring frames; see `vgmae_baselines.chaining.follow`."""

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        return follow(frames, queries, self._carry, self.config.max_error, colour=True)

    def _carry(self, first: Grey, second: Grey, xy: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
        """Move points by the flow. Frames are padded to multiples of 8 pixels, and to at least 128 pixels."""
        height, width = first.shape[:2]
        more = [max(_SMALLEST, -(-side // _MULTIPLE) * _MULTIPLE) - side for side in (width, height)]
        images = (torch.from_numpy(np.ascontiguousarray(image)).to(self.device) for image in (first, second))
        padded = [pad(x.permute(2, 0, 1)[None].float(), (0, more[0], 0, more[1]), mode="replicate") for x in images]
        flow = self.flow(*padded)[0, :, :height, :width]
        return carry(flow.permute(1, 2, 0).float().cpu().numpy(), xy)

    @abstractmethod
    def flow(self, first: Tensor, second: Tensor) -> Any:
        """Flow [1, 2, H, W] from the first image to the second, both float32 [1, 3, H, W] RGB from 0 to 255."""


class Raft(FlowTracker[RaftConfig]):
    """RAFT (large) of torchvision."""

    SOURCE, MODULE = "torchvision", "torchvision.models.optical_flow"

    def make(self, module: Any) -> Any:
        """See `Peer.make`."""
        return module.raft_large(weights=None)

    def flow(self, first: Tensor, second: Tensor) -> Any:
        """See `FlowTracker.flow`."""
        return self.network(first / 127.5 - 1, second / 127.5 - 1, num_flow_updates=self.config.iterations)[-1]


class RaftPrinceton(FlowTracker[RaftConfig]):
    """RAFT of its authors."""

    SOURCE, MODULE = RAFT_PRINCETON.checkout, "raft"

    def make(self, module: Any) -> Any:
        """See `Peer.make`."""
        how = {"small": False, "mixed_precision": False, "alternate_corr": False, "dropout": 0}
        return module.RAFT(argparse.Namespace(**how))

    def flow(self, first: Tensor, second: Tensor) -> Any:
        """See `FlowTracker.flow`."""
        return self.network(first, second, iters=self.config.iterations, test_mode=True)[1]


class Ptlflow(FlowTracker[PtlflowConfig]):
    """A model of ptlflow. It takes BGR images from 0 to 1, and pads them itself."""

    SOURCE = MODULE = "ptlflow"

    def make(self, module: Any) -> Any:
        """See `Peer.make`. Raises UsageError if there is no such model."""
        model, known = self.config.model, module.get_model_names()
        if model not in known:
            names = "python -c 'import ptlflow; print(ptlflow.get_model_names())'"
            raise UsageError(f'ptlflow has no model "{model}"', f"it has {len(known)} models", try_=names)
        return module.get_model(model)

    def flow(self, first: Tensor, second: Tensor) -> Any:
        """See `FlowTracker.flow`."""
        images = torch.stack([first, second], dim=1).flip(2) / 255
        return self.network({"images": images})["flows"][:, 0]
