"""TAPNext and TAPNext++: an adapter of the PyTorch model of google-deepmind/tapnet (arXiv 2504.05579, 2604.10582)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from vgmae_bench import Queries, Tracks
from vgmae_bench.models.frames import to_video
from vgmae_bench.types import StreamingTracker, rescale

from . import TAPNEXT
from .common import Peer, restored

_RASTER = (256, 256)
"""(height, width): positions go in and come out in pixels of such frames, at every resolution."""


@dataclass(frozen=True)
class TapNextConfig:
    """Settings. TAPNext sees frames at 256x256.

    Attributes:
        preset: "tapvid" asks one query at a time, which is the benchmark's rule. "published" asks all queries of a clip
            together, as the authors evaluate it.
    """

    preset: Literal["tapvid", "published"] = "tapvid"


@dataclass(frozen=True)
class TapNextPPConfig(TapNextConfig):
    """Settings.

    Attributes:
        resolution: side in pixels of the square to which frames are resized. 512 has separate weights.
    """

    resolution: Literal[256, 512] = 256


C = TypeVar("C", bound=TapNextConfig)


class _TapNext(Peer[C], StreamingTracker):
    """Points are tokens of a recurrent video transformer, which runs frame by frame. Points depend on each other."""

    SOURCE, MODULE, STRIP = TAPNEXT.checkout, "tapnet.tapnext.tapnext_torch", "tapnext."

    def make(self, module: Any) -> Any:
        """The network with random weights. Its own constructor leaves some weights unset and others zero."""
        network = module.TAPNext(image_size=_RASTER)
        for value in network.parameters():
            torch.nn.init.normal_(value, std=0.02)
        return network

    def load(self, network: torch.nn.Module, weights: Path) -> None:
        """Load a checkpoint of JAX by the authors' function, which executes nothing in it, or one of PyTorch."""
        if weights.suffix == ".npz":
            utils = self.code.module("tapnet.tapnext.tapnext_torch_utils")
            restored(utils.restore_model_from_jax_checkpoint, network, weights)
        else:
            super().load(network, weights)

    @property
    def ask(self) -> str:
        """See `vgmae_bench.types.Tracker`."""
        return "all" if self.config.preset == "published" else "single"

    @property
    def resolution(self) -> int:
        """Side in pixels of the square to which frames are resized."""
        return _RASTER[0]

    def start(self, queries: Queries) -> None:
        """See `vgmae_bench.types.Streaming.start`."""
        self._queries, self._state = queries, None

    @torch.inference_mode()
    def step(self, frame: npt.NDArray[np.uint8]) -> Tracks:
        """See `vgmae_bench.types.Streaming.step`. Frames are resized like in the authors' wrapper of TAPNext++."""
        given, asked = (frame.shape[0], frame.shape[1]), self._queries
        video = to_video(frame[None], "tchw", (-1, 1), self.device)[0]
        seen = interpolate(video, (self.resolution, self.resolution), mode="bilinear", align_corners=False)
        question: dict[str, Any] = {"state": self._state}
        if self._state is None:
            placed = Queries(asked.frame, rescale(asked.xy, given, _RASTER)).tyx()
            question = {"query_points": torch.from_numpy(placed)[None].to(self.device)}
        yx, _, logit, self._state = self.network(video=seen.permute(0, 2, 3, 1)[None], **question)
        xy = yx[0].flip(-1).transpose(0, 1).float().cpu().numpy()
        return Tracks(rescale(xy, _RASTER, given), (logit[0, :, :, 0] > 0).T.cpu().numpy())


class TapNext(_TapNext[TapNextConfig]):
    """TAPNext."""


class TapNextPP(_TapNext[TapNextPPConfig]):
    """TAPNext++ is the same network, trained on longer videos."""

    @property
    def resolution(self) -> int:
        """See the settings."""
        return self.config.resolution
