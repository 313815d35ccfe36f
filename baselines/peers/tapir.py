"""TAPIR and BootsTAPIR: an adapter of the PyTorch model of google-deepmind/tapnet (arXiv 2306.08637, 2402.00847)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from vgmae_bench import Queries, Tracks
from vgmae_bench.checkouts import Checkout
from vgmae_bench.models.frames import to_video
from vgmae_bench.settings import no_effect
from vgmae_bench.training.seeds import untrained

from .common import ready, tracks_of

SOURCE = "google-deepmind/tapnet@c2cbab8"


@dataclass(frozen=True)
class TapirConfig:
    """Settings.

    Attributes:
        temperature: of the softmax that gives a first position in each frame.
        chunk: so many queries at a time.
    """

    temperature: float = 20.0
    chunk: int = no_effect(64)


@dataclass(frozen=True)
class BootsTapirConfig(TapirConfig):
    """Settings. BootsTAPIR was trained at another temperature than the default of its PyTorch class."""

    temperature: float = 10.0


class Tapir:
    """Follows each query by itself, through the whole clip in both directions.

    Arguments:
        boots: BootsTAPIR's architecture.
    """

    def __init__(self, config: TapirConfig, weights: Path | None, device: str, seed: int, *, boots: bool) -> None:
        found = Checkout(SOURCE)
        self.checkout = found.identity
        make = found.module("tapnet.torch.tapir_model").TAPIR
        options = {"pyramid_level": int(boots), "extra_convs": boots, "softmax_temperature": config.temperature}
        made = untrained(lambda: make(**options), seed)
        self._network, self.note = ready(made, weights, device)
        self._device, self._chunk = device, config.chunk

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        video = to_video(frames, "thwc", (-1, 1), self._device)
        asked = torch.from_numpy(queries.tyx())[None].to(self._device)
        out = self._network(video, asked, query_chunk_size=self._chunk)
        return tracks_of(out)


def tapir(config: TapirConfig, weights: Path | None, device: str, seed: int) -> Tapir:
    """TAPIR."""
    return Tapir(config, weights, device, seed, boots=False)


def bootstapir(config: BootsTapirConfig, weights: Path | None, device: str, seed: int) -> Tapir:
    """BootsTAPIR."""
    return Tapir(config, weights, device, seed, boots=True)
