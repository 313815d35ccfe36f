"""The trackmae and videomae trackers: an encoder, and one of several ways to read tracks off it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.coordinates import rescale
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.types import Queries, Tracks
from vgmae_bench.videogmae.frames import FrameWindows
from vgmae_bench.videogmae.windows import sweep

from .checkpoint import Model, Trained, load_model
from .motion import CHANNELS
from .motion_head import MotionHead, WindowTracks
from .network import SIZES, Heads, TrackMAE

THRESHOLD_RASTER = 256
"""Pixels along a side of the frames that thresholds are meant for."""

Readout = Literal["motion-head", "features", "readout"]


@dataclass(frozen=True)
class TrackMAEConfig:
    """Settings of the tracker.

    Attributes:
        size: of the network when there are no weights to tell.
        readout: "motion-head" adds up the steps that the motion decoder predicts; its weights must have been trained with
            motion_norm "units" or "patch+mean" (or "none"). "features" and "readout" are not there yet.
        cycle_threshold: a point counts as visible in a window of frames when tracked to its end and back it misses its
            start by less; pixels of 256×256 frames. None: wherever it goes, which halves the work.
        spread_threshold: and when the turns in which tubes are shown disagree by less than that.

    Raises:
        UsageError: a number out of its range.
    """

    size: Literal["tiny", "small", "base", "large"] = "tiny"
    readout: Readout = "motion-head"
    cycle_threshold: float | None = 8.0
    spread_threshold: float | None = 8.0

    def __post_init__(self) -> None:
        for name in ("cycle_threshold", "spread_threshold"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} must be positive", f"it is {value}")


class TrackMAETracker:
    """Tracks forward in time from each query's frame, at the network's own resolution.

    Frames of any size are squashed to the network's square and tracks are stretched back. Without weights the network
    is random, drawn from `seed` alone, and `note` says so.

    Arguments:
        config: settings.
        weights: a file of TrackMAE or VideoMAE weights, or None.
        device: anything torch knows.
        seed: of random weights.

    Raises:
        WeightsError: the file is no such weights, or damaged, or cannot be tracked with in this way.
        UsageError: this way of tracking is not there, or means nothing for these weights.
    """

    motion = True
    """Whether networks without weights predict motion."""

    def __init__(self, config: TrackMAEConfig, weights: Path | None, device: str, seed: int) -> None:
        self.note = "random weights" if weights is None else ""
        self._config, self._device = config, torch.device(device)
        if config.readout != "motion-head":
            raise UsageError(
                f'readout="{config.readout}" is not there yet', "points are tracked by the motion head so far"
            )
        model = _random_model(config.size, seed, self.motion) if weights is None else load_model(weights)
        self._head = _motion_head(model, str(weights or "A network without weights"), self._device)
        self._shape = model.network.config

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames` (uint8 [T, H, W, 3] RGB); see `vgmae_bench.videogmae.windows.sweep`."""
        shape = self._shape
        model_size, clip_size = (shape.image_size, shape.image_size), (frames.shape[1], frames.shape[2])
        windows = FrameWindows(frames, shape.num_frames, model_size, self._device)

        def track_window(
            start: int, xy: npt.NDArray[np.float32]
        ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
            found, visible = self._track_window(windows[start], torch.from_numpy(xy).to(self._device))
            return found.cpu().numpy(), visible.cpu().numpy()

        with torch.inference_mode():
            scaled = Queries(queries.frame, rescale(queries.xy, clip_size, model_size))
            tracks = sweep(len(frames), shape.num_frames, scaled, track_window)
        return Tracks(xy=rescale(tracks.xy, model_size, clip_size), visible=tracks.visible)

    def _track_window(self, video: Tensor, xy: Tensor) -> tuple[Tensor, Tensor]:
        """Positions float [M, n, 2] and visibility bool [M, n] from xy [M, 2] in the first frame on."""
        there, size = self._head.track(video, xy), video.shape[-1]
        scale = size / THRESHOLD_RASTER
        visible = ((there.xy >= 0) & (there.xy < size)).all(dim=-1)
        if self._config.spread_threshold is not None:
            visible &= there.spread < self._config.spread_threshold * scale
        if self._config.cycle_threshold is not None:
            missed = (self._back(video, there) - xy).norm(dim=-1)
            visible &= (missed < self._config.cycle_threshold * scale)[:, None]
        return there.xy, visible

    def _back(self, video: Tensor, there: WindowTracks) -> Tensor:
        """Where points come out, [M, 2], that are tracked back from the ends of their tracks."""
        reached = there.xy.shape[1]
        reversed_ = video[:, :, :reached].flip(2)
        padding = reversed_[:, :, -1:].expand(-1, -1, video.shape[2] - reached, -1, -1)
        return self._head.track(torch.cat([reversed_, padding], dim=2), there.xy[:, -1]).xy[:, -1]


class VideoMAETracker(TrackMAETracker):
    """The same for networks that were trained without tracks."""

    motion = False


def _motion_head(model: Model, source: str, device: torch.device) -> MotionHead:
    network, trained = model.network, model.trained
    if not isinstance(network, TrackMAE) or trained is None or not network.heads.motion:
        raise WeightsError(
            f"{source} has no motion head to track with",
            "VideoMAE and classifiers predict no motion",
            try_="weights of TrackMAE trained with motion_norm=units",
        )
    return MotionHead(network.to(device), trained)


def _random_model(size: str, seed: int, motion: bool) -> Model:
    """A network drawn from `seed`, leaving torch's own generator as it was."""
    config, trained = SIZES[size], Trained()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        heads = Heads(config.patch_values, CHANNELS[trained.motion_norm] if motion else 0)
        return Model(TrackMAE(config, heads).eval(), trained, None)
