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

from .common import queries_txy, ready, to_video

SOURCE = "facebookresearch/co-tracker@82e02e8"
_THRESHOLD = 0.6  # of its evaluator, on visibility times confidence


@dataclass(frozen=True)
class CoTracker3Config:
    """Settings.

    Attributes:
        preset: "tapvid" puts pixel centres at +0.5, as the benchmark has them. "published" hands on positions as the authors'
            evaluator does, half a pixel off what the network samples.
        single_point: one query at a time with support points around it, which is the benchmark's rule and the paper's way;
            otherwise all queries of a clip at once, which see each other.
    """

    preset: Literal["tapvid", "published"] = "tapvid"
    single_point: bool = True


class CoTracker3:
    """CoTracker3 as its authors evaluate it: frames at 384x512, a grid of 5x5 support points, 8x8 around a single query.

    Arguments:
        mode: "offline" sees the whole clip; "online" goes through it in windows of 16 frames.
    """

    def __init__(
        self,
        config: CoTracker3Config,
        weights: Path | None,
        device: str,
        seed: int,
        *,
        mode: Literal["offline", "online"],
    ) -> None:
        found = Checkout(SOURCE)
        self.checkout = found.identity
        offline = mode == "offline"
        with torch.random.fork_rng(devices=[]):
            build = found.module("cotracker.models.build_cotracker").build_cotracker  # importing it seeds torch
            torch.manual_seed(seed)
            made = build(None, offline=offline, window_len=60 if offline else 16)
        network, self.note = ready(made, weights, device)
        evaluation = found.module("cotracker.models.evaluation_predictor")
        self._offline = (
            evaluation.EvaluationPredictor(network, single_point=config.single_point).eval() if offline else None
        )
        self._online_class = found.module("cotracker.predictor").CoTrackerOnlinePredictor
        self._network: Any = network
        self._single, self._device = config.single_point, device
        self._shift = 0.5 if config.preset == "tapvid" else 0.0

    @torch.inference_mode()
    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        video = to_video(frames, self._device, "tchw", 0, 255)
        asked = queries_txy(queries, self._device, shift=self._shift)
        if self._offline is not None:
            xy, score = self._offline(video, asked)
            visible = score > _THRESHOLD
        else:
            groups = asked.split(1, dim=1) if self._single else [asked]
            answers = [self._online(video, group) for group in groups]
            xy, visible = (torch.cat(parts, dim=2) for parts in zip(*answers, strict=True))
        return Tracks(xy[0].transpose(0, 1).cpu().numpy() + self._shift, visible[0].T.bool().cpu().numpy())

    def _online(self, video: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Windows in turn. At least one: the authors' own loop gives no answer for clips of at most half a window."""
        predictor = self._online_class(checkpoint=None)
        predictor.model, predictor.step = self._network, self._network.window_len // 2
        predictor(video_chunk=video, is_first_step=True, queries=asked)
        for start in range(0, max(video.shape[1] - predictor.step, 1), predictor.step):
            xy, visible = predictor(video_chunk=video[:, start : start + 2 * predictor.step], grid_size=0)
        return xy, visible


def offline(config: CoTracker3Config, weights: Path | None, device: str, seed: int) -> CoTracker3:
    """CoTracker3 offline."""
    return CoTracker3(config, weights, device, seed, mode="offline")


def online(config: CoTracker3Config, weights: Path | None, device: str, seed: int) -> CoTracker3:
    """CoTracker3 online."""
    return CoTracker3(config, weights, device, seed, mode="online")
