"""LocoTrack: an adapter of the PyTorch model of cvlab-kaist/locotrack (arXiv 2407.15420)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from vgmae_bench import Queries, Tracks
from vgmae_bench.checkouts import Checkout
from vgmae_bench.models.frames import to_video
from vgmae_bench.settings import no_effect
from vgmae_bench.training.seeds import untrained

from .common import ready, tracks_of

SOURCE = "cvlab-kaist/locotrack@3385a23:locotrack_pytorch"


@dataclass(frozen=True)
class LocoTrackConfig:
    """Settings.

    Attributes:
        size: of the network.
        chunk: so many queries at a time.
    """

    size: Literal["small", "base"] = "base"
    chunk: int = no_effect(256)


class LocoTrack:
    """Follows each query by itself, through the whole clip in both directions."""

    def __init__(self, config: LocoTrackConfig, weights: Path | None, device: str, seed: int) -> None:
        found = Checkout(SOURCE)
        self.checkout = found.identity
        make = found.module("models.locotrack_model").LocoTrack
        made = untrained(lambda: make(model_size=config.size, num_pips_iter=4), seed)
        self._network, self.note = ready(made, weights, device, strip="model.")
        self._device, self._chunk = device, config.chunk

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        out = self._network(
            to_video(frames, "thwc", (-1, 1), self._device),
            torch.from_numpy(queries.tyx())[None].to(self._device),
            query_chunk_size=self._chunk,
            refinement_resolutions=((256, 256),),
        )
        return tracks_of(out)
