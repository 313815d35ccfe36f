"""TAPIR and BootsTAPIR: an adapter of the PyTorch model of google-deepmind/tapnet (arXiv 2306.08637, 2402.00847)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from vgmae_bench import Queries, Tracks
from vgmae_bench.models.frames import to_video
from vgmae_bench.settings import no_effect

from . import TAPIR
from .common import Peer, tracks_of


@dataclass(frozen=True)
class TapirConfig:
    """Settings.

    Attributes:
        temperature: temperature of the softmax for the first position in each frame.
        chunk: number of queries at a time.
    """

    temperature: float = 20.0
    chunk: int = no_effect(64)


@dataclass(frozen=True)
class BootsTapirConfig(TapirConfig):
    """Settings. BootsTAPIR was trained at another temperature than the default of its PyTorch class."""

    temperature: float = 10.0


C = TypeVar("C", bound=TapirConfig)


class _Tapir(Peer[C]):
    """Tracks each query independently, through the whole clip in both directions."""

    SOURCE, MODULE = TAPIR.checkout, "tapnet.torch.tapir_model"
    boots: ClassVar[bool]
    """Whether this is BootsTAPIR, which has one more pyramid level and additional convolutions."""

    def make(self, module: Any) -> Any:
        """See `Peer.make`."""
        return module.TAPIR(
            pyramid_level=int(self.boots), extra_convs=self.boots, softmax_temperature=self.config.temperature
        )

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        video = to_video(frames, "thwc", (-1, 1), self.device)
        asked = torch.from_numpy(queries.tyx())[None].to(self.device)
        return tracks_of(self.network(video, asked, query_chunk_size=self.config.chunk))


class Tapir(_Tapir[TapirConfig]):
    """TAPIR."""

    boots = False


class BootsTapir(_Tapir[BootsTapirConfig]):
    """BootsTAPIR."""

    boots = True
