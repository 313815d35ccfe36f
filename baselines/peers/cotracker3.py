"""CoTracker3, offline and online: an adapter of facebookresearch/co-tracker (arXiv 2410.11831; CC-BY-NC 4.0)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench import Queries, Tracks
from vgmae_bench.checkouts import Checkout
from vgmae_bench.models.frames import to_video
from vgmae_bench.training.seeds import seeded, untrained

from .common import ready

SOURCE = "facebookresearch/co-tracker@82e02e8"
_THRESHOLD = 0.6  # of its evaluator, on visibility times confidence


@dataclass(frozen=True)
class OnlineConfig:
    """Settings.

    Attributes:
        preset: "tapvid" puts pixel centres at +0.5 and asks one query at a time, as the benchmark has it. "published" hands on
            positions as the authors' evaluator does, half a pixel off what the network samples, and what queries a call
            has is as in that evaluator.
    """

    preset: Literal["tapvid", "published"] = "tapvid"


@dataclass(frozen=True)
class OfflineConfig(OnlineConfig):
    """Settings.

    Attributes:
        single_point: each query by itself with support points around it, which is the paper's way; otherwise a call's queries
            see each other, and there is a grid of 5x5 support points.
    """

    single_point: bool = True


class CoTracker3:
    """CoTracker3 as its authors evaluate it: frames at 384x512, a grid of 5x5 support points, 8x8 around a single query.

    Arguments:
        offline: sees the whole clip; otherwise goes through it in windows of 16 frames.
        joint: the queries of a call see each other.
    """

    def __init__(
        self, config: OnlineConfig, weights: Path | None, device: str, seed: int, *, offline: bool, joint: bool
    ) -> None:
        found = Checkout(SOURCE)
        self.checkout = found.identity
        self.queries = "joint" if joint else "independent"
        self.ask = "single" if joint and config.preset == "tapvid" else "all"
        with seeded(seed):  # importing it seeds torch
            build = found.module("cotracker.models.build_cotracker").build_cotracker
        made = untrained(lambda: build(None, offline=offline, window_len=60 if offline else 16), seed)
        network, self.note = ready(made, weights, device)
        evaluation = found.module("cotracker.models.evaluation_predictor")
        self._offline = evaluation.EvaluationPredictor(network, single_point=not joint).eval() if offline else None
        self._online_class = found.module("cotracker.predictor").CoTrackerOnlinePredictor
        self._network: Any = network
        self._centres, self._device = config.preset == "tapvid", device

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        video = to_video(frames, device=self._device)
        asked = torch.from_numpy(queries.txy(centres=self._centres))[None].to(self._device)
        if self._offline is not None:
            xy, score = self._offline(video, asked)
            visible = score > _THRESHOLD
        else:
            xy, visible = self._online(video, asked)
        positions = xy[0].transpose(0, 1).cpu().numpy() + 0.5 * self._centres
        return Tracks(positions, visible[0].T.bool().cpu().numpy())

    def _online(self, video: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Windows in turn. At least one: the authors' own loop gives no answer for clips of at most half a window."""
        predictor = self._online_class(checkpoint=None)
        predictor.model, predictor.step = self._network, self._network.window_len // 2
        predictor(video_chunk=video, is_first_step=True, queries=asked)
        for start in range(0, max(video.shape[1] - predictor.step, 1), predictor.step):
            xy, visible = predictor(video_chunk=video[:, start : start + 2 * predictor.step], grid_size=0)
        return xy, visible


def offline(config: OfflineConfig, weights: Path | None, device: str, seed: int) -> CoTracker3:
    """CoTracker3 offline."""
    return CoTracker3(config, weights, device, seed, offline=True, joint=not config.single_point)


def online(config: OnlineConfig, weights: Path | None, device: str, seed: int) -> CoTracker3:
    """CoTracker3 online."""
    return CoTracker3(config, weights, device, seed, offline=False, joint=True)
