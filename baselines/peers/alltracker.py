"""AllTracker: an adapter of aharley/alltracker (arXiv 2506.07310). Dense flow from a query's frame to every later frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torch.overrides import TorchFunctionMode

from vgmae_bench import Queries, Tracks
from vgmae_bench.checkouts import Checkout
from vgmae_bench.coordinates import rescale
from vgmae_bench.models.frames import to_video
from vgmae_bench.training.seeds import untrained

from .common import ready

SOURCE = "aharley/alltracker@c1ed462"
_THRESHOLD = 0.6  # of its evaluator, on visibility times confidence
_LONG = 128  # frames; its evaluator takes another loop for longer clips


@dataclass(frozen=True)
class AllTrackerConfig:
    """Settings.

    Attributes:
        size: of the network.
        preset: "tapvid" reads the flow bilinearly at the query. "published" reads it at the nearest pixel and counts pixel
            centres as integers, as the authors' evaluator does.
        height, width: frames are resized to this, pixels.
        iterations: of the update at each window.
    """

    size: Literal["full", "tiny"] = "full"
    preset: Literal["tapvid", "published"] = "tapvid"
    height: int = 384
    width: int = 512
    iterations: int = 4


class AllTracker:
    """One pass for each frame that has queries, forward in time. Queries do not see each other."""

    def __init__(self, config: AllTrackerConfig, weights: Path | None, device: str, seed: int) -> None:
        found = Checkout(SOURCE)
        self.checkout = found.identity
        make = found.module("nets.alltracker").Net
        tiny = {"use_basicencoder": True, "no_split": True} if config.size == "tiny" else {}
        self._network: Any
        self._network, self.note = ready(untrained(lambda: make(16, init_weights=False, **tiny), seed), weights, device)
        self._config, self._device = config, device

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        config, given = self._config, (frames.shape[1], frames.shape[2])
        size, shift = (config.height, config.width), 0.5 if config.preset == "tapvid" else 0.0
        resized = np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_LINEAR) for frame in frames])
        video = to_video(resized, device=self._device)
        start = torch.from_numpy(rescale(queries.xy, given, size) - shift).float().to(self._device)
        xy = start[:, None].repeat(1, len(frames), 1)
        score = torch.from_numpy(queries.frame[:, None] == np.arange(len(frames))).float().to(self._device)
        for frame in np.unique(queries.frame[queries.frame < len(frames) - 1]).tolist():
            rows = torch.from_numpy(np.flatnonzero(queries.frame == frame)).to(self._device)
            at = start[rows] if config.preset == "tapvid" else start[rows].round()
            flow, sure = self._fields(video, frame)
            moved = _read(flow, at)
            xy[rows, frame:] = (at + moved).transpose(0, 1)
            score[rows, frame:] = _read(sure, at).prod(dim=-1).T
        placed = torch.from_numpy(rescale((xy + shift).cpu().numpy(), size, given))
        return Tracks.from_scores(placed, score.cpu(), _THRESHOLD)

    def _fields(self, video: Tensor, frame: int) -> tuple[Tensor, Tensor]:
        """Flow, and visibility with confidence, from a frame to it and all later ones; both [T - frame, 2, H, W]."""
        ask = self._network.forward_sliding if video.shape[1] > _LONG else self._network
        with _StaysOnDevice():
            flow, sure = ask(video[:, frame:], iters=self._config.iterations)[:2]
        if flow.ndim == 4:  # of two frames, the second's alone
            flow = torch.stack([torch.zeros_like(flow), flow], dim=1)
            sure = torch.stack([torch.ones_like(sure), sure], dim=1)
        return flow[0], sure[0]


class _StaysOnDevice(TorchFunctionMode):
    """The network calls `cuda()` on its input. Here its input stays where it is."""

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        return args[0] if func is torch.Tensor.cuda else func(*args, **(kwargs or {}))


def _read(fields: Tensor, at: Tensor) -> Tensor:
    """Fields [T, C, H, W] read bilinearly at positions [N, 2] whose pixel centres are integers: [T, N, C]."""
    height, width = fields.shape[2:]
    grid = (2 * at + 1) / at.new_tensor([width, height]) - 1
    places = grid[None, None].expand(len(fields), -1, -1, -1)
    read = grid_sample(fields, places, padding_mode="border", align_corners=False)
    return read[:, :, 0].transpose(1, 2)
