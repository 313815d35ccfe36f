"""AllTracker: an adapter of aharley/alltracker (arXiv 2506.07310). Dense flow from a query's frame to every later frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench import Queries, Tracks
from vgmae_bench.models.frames import to_video
from vgmae_bench.types import rescale

from . import ALLTRACKER
from .common import Peer, StaysOnDevice, read

_THRESHOLD = 0.6  # of its evaluator, on visibility times confidence
_LONG = 128  # frames; for longer clips, its evaluator calls another method


@dataclass(frozen=True)
class AllTrackerConfig:
    """Settings.

    Attributes:
        size: size of the network.
        preset: "tapvid" reads the flow bilinearly at the query. "published" reads it at the nearest pixel and counts pixel
            centres as integers, as the authors' evaluator does.
        height, width: size in pixels to which frames are resized.
        iterations: number of updates per window.
    """

    size: Literal["full", "tiny"] = "full"
    preset: Literal["tapvid", "published"] = "tapvid"
    height: int = 384
    width: int = 512
    iterations: int = 4


class AllTracker(Peer[AllTrackerConfig]):
    """One pass for each frame that has queries, forward in time. Queries are independent."""

    SOURCE, MODULE = ALLTRACKER.checkout, "nets.alltracker"

    def make(self, module: Any) -> Any:
        """See `Peer.make`."""
        tiny = self.config.size == "tiny"
        return module.Net(16, init_weights=False, **({"use_basicencoder": True, "no_split": True} if tiny else {}))

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        config, given = self.config, (frames.shape[1], frames.shape[2])
        size, published = (config.height, config.width), config.preset == "published"
        resized = np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_LINEAR) for frame in frames])
        video, shift = to_video(resized, device=self.device), 0.0 if published else 0.5
        start = torch.from_numpy(rescale(queries.xy, given, size) - shift).float().to(self.device)
        xy = start[:, None].repeat(1, len(frames), 1)
        score = torch.from_numpy(queries.frame[:, None] == np.arange(len(frames))).float().to(self.device)
        for frame in np.unique(queries.frame[queries.frame < len(frames) - 1]).tolist():
            rows = torch.from_numpy(np.flatnonzero(queries.frame == frame)).to(self.device)
            at = start[rows].round() if published else start[rows]
            flow, sure = self._fields(video[:, frame:])
            xy[rows, frame:] = at[:, None] + read(flow, at)
            score[rows, frame:] = read(sure, at).prod(dim=-1)
        return Tracks.from_scores(rescale((xy + shift).cpu().numpy(), size, given), score, _THRESHOLD)

    def _fields(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Flow, and visibility with confidence, from the first frame to it and all others; both [T, 2, H, W]."""
        ask = self.network.forward_sliding if video.shape[1] > _LONG else self.network
        with StaysOnDevice():
            flow, sure = ask(video, iters=self.config.iterations)[:2]
        if flow.ndim == 4:  # of two frames, the second's alone
            return torch.cat([torch.zeros_like(flow), flow]), torch.cat([torch.ones_like(sure), sure])
        return flow[0], sure[0]
