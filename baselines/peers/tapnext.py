"""TAPNext and TAPNext++: an adapter of the PyTorch model of google-deepmind/tapnet (arXiv 2504.05579, 2604.10582)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vgmae_bench import Queries, Tracks
from vgmae_bench.checkouts import Checkout
from vgmae_bench.coordinates import rescale
from vgmae_bench.errors import WeightsError
from vgmae_bench.models.frames import to_video
from vgmae_bench.training.seeds import untrained
from vgmae_bench.types import StreamingTracker

from .common import ready

SOURCE = "google-deepmind/tapnet@c2cbab8"
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
        resolution: frames are resized to so many pixels square. 512 has weights of its own.
    """

    resolution: Literal[256, 512] = 256


class TapNext(StreamingTracker):
    """Points as tokens of a recurrent video transformer, frame by frame, forward in time. Points see each other."""

    def __init__(self, config: TapNextConfig, resolution: int, weights: Path | None, device: str, seed: int) -> None:
        found = Checkout(SOURCE)
        self.checkout = found.identity
        make = found.module("tapnet.tapnext.tapnext_torch").TAPNext
        made = untrained(lambda: _drawn(make(image_size=_RASTER)), seed)
        of_jax = weights if weights and weights.suffix == ".npz" else None  # reading such a file executes nothing
        if of_jax:
            restore = found.module("tapnet.tapnext.tapnext_torch_utils").restore_model_from_jax_checkpoint
            try:
                restore(made, of_jax)
            except Exception as error:  # a file of another network fails in many ways
                raise WeightsError(
                    f"{of_jax.name} does not fit the network", f"{type(error).__name__}: {error}"
                ) from error
        self._network: Any
        self._network, note = ready(made, None if of_jax else weights, device, strip="tapnext.")
        self.note = "" if of_jax else note
        self.ask = "all" if config.preset == "published" else "single"
        self._resolution, self._device = resolution, device

    def start(self, queries: Queries) -> None:
        """See `vgmae_bench.types.Streaming.start`."""
        self._queries, self._state = queries, None

    @torch.inference_mode()
    def step(self, frame: npt.NDArray[np.uint8]) -> Tracks:
        """See `vgmae_bench.types.Streaming.step`."""
        given, asked = (frame.shape[0], frame.shape[1]), self._queries
        question: dict[str, Any] = {"state": self._state}
        if self._state is None:
            placed = Queries(asked.frame, rescale(asked.xy, given, _RASTER)).tyx()
            question = {"query_points": torch.from_numpy(placed)[None].to(self._device)}
        yx, _, logit, self._state = self._network(video=self._seen(frame), **question)
        xy = yx[0].flip(-1).transpose(0, 1).float().cpu().numpy()
        return Tracks(rescale(xy, _RASTER, given), (logit[0, :, :, 0] > 0).T.cpu().numpy())

    def _seen(self, frame: npt.NDArray[np.uint8]) -> Tensor:
        """float32 [1, 1, S, S, 3] from -1 to 1, resized as in the authors' wrapper of TAPNext++."""
        video = to_video(frame[None], "tchw", (-1, 1), self._device)[0]
        size = (self._resolution, self._resolution)
        if video.shape[2:] != size:
            video = interpolate(video, size, mode="bilinear", align_corners=False)
        return video.permute(0, 2, 3, 1)[None]


def _drawn(network: nn.Module) -> nn.Module:
    """The network with drawn weights: it leaves some unset and others zero, as only a checkpoint would use it."""
    for value in network.parameters():
        nn.init.normal_(value, std=0.02)
    return network


def tapnext(config: TapNextConfig, weights: Path | None, device: str, seed: int) -> TapNext:
    """TAPNext."""
    return TapNext(config, _RASTER[0], weights, device, seed)


def tapnext_plus_plus(config: TapNextPPConfig, weights: Path | None, device: str, seed: int) -> TapNext:
    """TAPNext++."""
    return TapNext(config, config.resolution, weights, device, seed)
