"""LocoTrack: an adapter of the PyTorch model of cvlab-kaist/locotrack (arXiv 2407.15420)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from vgmae_bench import Queries, Tracks
from vgmae_bench.models.frames import to_video
from vgmae_bench.settings import no_effect

from . import LOCOTRACK
from .common import Peer, tracks_of


@dataclass(frozen=True)
class LocoTrackConfig:
    """Settings.

    Attributes:
        size: size of the network.
        chunk: number of queries at a time.
    """

    size: Literal["small", "base"] = "base"
    chunk: int = no_effect(256)


class LocoTrack(Peer[LocoTrackConfig]):
    """Tracks each query independently, through the whole clip in both directions."""

    SOURCE, MODULE, STRIP = LOCOTRACK.checkout, "models.locotrack_model", "model."

    def make(self, module: Any) -> Any:
        """See `Peer.make`."""
        return module.LocoTrack(model_size=self.config.size, num_pips_iter=4)

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        video = to_video(frames, "thwc", (-1, 1), self.device)
        asked = torch.from_numpy(queries.tyx())[None].to(self.device)
        how = {"query_chunk_size": self.config.chunk, "refinement_resolutions": ((256, 256),)}
        return tracks_of(self.network(video, asked, **how))
