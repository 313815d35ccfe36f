"""CoTracker3, offline and online: an adapter of facebookresearch/co-tracker (arXiv 2410.11831; CC-BY-NC 4.0)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench import Queries, Tracks
from vgmae_bench.models.frames import to_video

from . import COTRACKER3
from .common import Peer

_THRESHOLD = 0.6  # of its evaluator, on visibility times confidence
_WINDOW = 16  # frames, of the online network


@dataclass(frozen=True)
class OnlineConfig:
    """Settings.

    Attributes:
        preset: "tapvid" has pixel centres at +0.5 and passes one query per call, as in the benchmark. "published" passes
            positions and queries like the authors' evaluator. Its positions are half a pixel away from the pixels that the
            network samples.
    """

    preset: Literal["tapvid", "published"] = "tapvid"


@dataclass(frozen=True)
class OfflineConfig(OnlineConfig):
    """Settings.

    Attributes:
        single_point: track each query independently, with support points around it, as in the paper. Otherwise the queries of
            a call depend on each other, and there is a grid of 5x5 support points.
    """

    single_point: bool = True


C = TypeVar("C", bound=OnlineConfig)


class _CoTracker3(Peer[C]):
    """Shared parts of both trackers. The network resizes frames to 384x512."""

    SOURCE, MODULE = COTRACKER3.checkout, "cotracker.models.build_cotracker"
    queries = "joint"

    @property
    def ask(self) -> str:
        """See `vgmae_bench.types.Tracker`."""
        return "single" if self.queries == "joint" and self.config.preset == "tapvid" else "all"

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        centres = self.config.preset == "tapvid"
        asked = torch.from_numpy(queries.txy(centres=centres))[None].to(self.device)
        xy, visible = self._answer(to_video(frames, device=self.device), asked)
        positions = xy[0].transpose(0, 1) + 0.5 * centres
        return Tracks(positions.cpu().numpy(), visible[0].T.bool().cpu().numpy())

    @abstractmethod
    def _answer(self, video: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Positions [1, T, N, 2] and visibility [1, T, N] of queries [1, N, 3]."""


class Offline(_CoTracker3[OfflineConfig]):
    """Processes the whole clip like the authors' evaluation, with a grid of 5x5 support points, or 8x8 around one query."""

    def make(self, module: Any) -> Any:
        """See `Peer.make`."""
        self.queries = "independent" if self.config.single_point else "joint"
        return module.build_cotracker(None, offline=True, window_len=60)

    def _answer(self, video: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        predictor = self.code.module("cotracker.models.evaluation_predictor").EvaluationPredictor
        xy, score = predictor(self.network, single_point=self.config.single_point).eval()(video, asked)
        return xy, score > _THRESHOLD


class Online(_CoTracker3[OnlineConfig]):
    """Processes windows of 16 frames, forward in time. The queries of a call depend on each other."""

    def make(self, module: Any) -> Any:
        """See `Peer.make`."""
        return module.build_cotracker(None, offline=False, window_len=_WINDOW)

    def _answer(self, video: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Track through at least one window. The authors' loop returns nothing for clips of at most half a window."""
        predictor, step = (
            self.code.module("cotracker.predictor").CoTrackerOnlinePredictor(checkpoint=None),
            _WINDOW // 2,
        )
        predictor.model, predictor.step = self.network, step
        predictor(video_chunk=video, is_first_step=True, queries=asked)
        for start in range(0, max(video.shape[1] - step, 1), step):
            xy, visible = predictor(video_chunk=video[:, start : start + _WINDOW], grid_size=0)
        return xy, visible
