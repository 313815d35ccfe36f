"""The trackers `trackmae` and `videomae`: an encoder with one of several read-outs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.errors import WeightsError
from vgmae_bench.models.features import CorrespondenceConfig, CorrespondenceTracker
from vgmae_bench.models.points import inside
from vgmae_bench.models.readout import read_tracks
from vgmae_bench.models.windows import TrackTile, track_windows
from vgmae_bench.settings import at_least, no_effect, positive
from vgmae_bench.training.clips.sources import calibration_clip
from vgmae_bench.training.recipe import untrained
from vgmae_bench.types import Queries, Tracks

from .checkpoint import Model, Trained, load_model
from .features import EncoderFeatures
from .motion_head import MotionHead, WindowTracks
from .network import SIZES, Heads, TrackMAE
from .readout import ReadoutTracker
from .targets.motion import CHANNELS

THRESHOLD_RASTER = 256
"""Side in pixels of the frames to which thresholds refer."""

Readout = Literal["motion-head", "features", "readout"]


@dataclass(frozen=True)
class FeaturesConfig(CorrespondenceConfig):
    """Settings of readout="features".

    Attributes:
        layer: number of encoder blocks before the features; None: all blocks.
        final_norm: apply the encoder's last LayerNorm to the features of any block.
    """

    layer: int | None = None
    final_norm: bool = True


@dataclass(frozen=True)
class MotionHeadConfig:
    """Settings of tracking by the motion decoder.

    Attributes:
        cycle_threshold: a point is visible in a window of frames if tracking it to the end and back misses its start by less
            than this, in pixels of 256×256 frames. None: no check, which halves the work.
        spread_threshold: a point is visible in a frame if the standard deviation of its position over several passes, with
            different visible tubes, is less than this, in pixels of 256×256 frames. None: no check.

    Raises:
        UsageError: a threshold is not positive.
    """

    cycle_threshold: float | None = 8.0
    spread_threshold: float | None = 8.0

    def __post_init__(self) -> None:
        positive(self, "cycle_threshold", "spread_threshold")


@dataclass(frozen=True)
class TrackMAEConfig:
    """Settings of the tracker. Only the section of the active read-out has an effect.

    Attributes:
        size: size of the random network that is used without weights.
        readout: "motion-head" sums the steps that the motion decoder predicts; the weights must be trained with motion_norm
            "units" or "patch+mean" (or "none"). "features" matches the encoder's features, without training.
            "readout" is the cross-attention that `vgmae-bench finetune` trains. "auto": the first of "readout", "motion-head"
            and "features" that the weights support.
        points_per_batch: points processed at once by the cross-attention. It limits memory and does not change answers, except
            for rounding. None: as many as fit (`vgmae_bench.devices.at_once`).
        motion_head: settings of readout="motion-head".
        features: settings of readout="features".

    Raises:
        UsageError: a value is out of range.
    """

    size: Literal["tiny", "small", "base", "large"] = "tiny"
    readout: Literal["auto"] | Readout = "auto"
    points_per_batch: int | None = no_effect(None)
    motion_head: MotionHeadConfig = field(default_factory=MotionHeadConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)

    def __post_init__(self) -> None:
        at_least(self, points_per_batch=1)


class TrackMAETracker:
    """Tracks forward in time from each query's frame, at the network's own resolution.

    Frames of any size are resized to the network's square, and tracks are scaled back. Without weights the network is random
    and depends on `seed` alone; `note` says so.

    Arguments:
        config: settings.
        weights: a file of TrackMAE or VideoMAE weights, a model whose network is used directly, or None.
        device: any device name of torch.
        seed: seed of random weights.

    Raises:
        WeightsError: the file is damaged, holds other weights, or does not support the read-out.
        UsageError: the weights cannot track with this read-out, or its settings do not fit the encoder.
    """

    motion = True
    """Whether networks without weights predict motion."""

    def __init__(self, config: TrackMAEConfig, weights: Path | Model | None, device: str, seed: int) -> None:
        self.note = "random weights" if weights is None else ""
        self.unused_settings = {"motion_head", "features"} if weights is None else {"motion_head", "features", "size"}
        self._config, self._device = config, torch.device(device)
        source = str(weights) if isinstance(weights, Path) else "A network without weights"
        if weights is None:
            weights = _random_model(config.size, seed, self.motion)
        model = weights if isinstance(weights, Model) else load_model(weights)
        model.network.to(self._device)
        self._shape = model.encoder.config
        self._length, self._features = self._shape.num_frames, None
        readout = _best_readout(model) if config.readout == "auto" else config.readout
        if readout == "features":
            encoder = EncoderFeatures(model.encoder, config.features.layer, config.features.final_norm)
            self._features = CorrespondenceTracker(encoder, config.features, device, calibration_clip, backward=False)
            self.unused_settings -= {"features"}
        elif readout == "readout":
            network = _with_readout(model, source)
            self._length *= network.readout.config.windows
            self._track_window: TrackTile = partial(read_tracks, network, points_at_once=config.points_per_batch)
        else:
            self._head = _motion_head(model, source)
            self._track_window = self._follow_motion
            self.unused_settings -= {"motion_head"}

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames` (uint8 [T, H, W, 3] RGB); see `vgmae_bench.models.windows.track_windows`."""
        if self._features is not None:
            return self._features.track(frames, queries)
        size = self._shape.image_size
        return track_windows(frames, queries, self._length, size, self._device, self._track_window)

    def _follow_motion(self, video: Tensor, xy: Tensor) -> tuple[Tensor, Tensor]:
        """Track from xy [M, 2] in the first frame: positions float [M, n, 2] and visibility bool [M, n]."""
        there, size = self._head.track(video, xy), video.shape[-1]
        scale = size / THRESHOLD_RASTER
        visible = inside(there.xy, (size, size))
        if self._config.motion_head.spread_threshold is not None:
            visible &= there.spread < self._config.motion_head.spread_threshold * scale
        if self._config.motion_head.cycle_threshold is not None:
            missed = (self._back(video, there) - xy).norm(dim=-1)
            visible &= (missed < self._config.motion_head.cycle_threshold * scale)[:, None]
        return there.xy, visible

    def _back(self, video: Tensor, there: WindowTracks) -> Tensor:
        """The positions [M, 2] after tracking points back from the ends of their tracks."""
        reached = there.xy.shape[1]
        reversed_ = video[:, :, :reached].flip(2)
        padding = reversed_[:, :, -1:].expand(-1, -1, video.shape[2] - reached, -1, -1)
        return self._head.track(torch.cat([reversed_, padding], dim=2), there.xy[:, -1]).xy[:, -1]


class VideoMAETracker(TrackMAETracker):
    """The tracker of networks that were trained without tracks."""

    motion = False


def _best_readout(model: Model) -> Readout:
    if isinstance(model.network, ReadoutTracker):
        return "readout"
    return "motion-head" if isinstance(model.network, TrackMAE) and model.network.heads.motion else "features"


def _with_readout(model: Model, source: str) -> ReadoutTracker:
    if not isinstance(model.network, ReadoutTracker):
        raise WeightsError(
            f"{source} has no readout for tracking",
            "it must be trained on the encoder first",
            try_="vgmae-bench finetune --help",
        )
    return model.network


def _motion_head(model: Model, source: str) -> MotionHead:
    network, trained = model.network, model.trained
    if not isinstance(network, TrackMAE) or trained is None or not network.heads.motion:
        raise WeightsError(
            f"{source} has no motion head for tracking",
            "only pretraining of trackmae makes one",
            try_="--set readout=features",
        )
    return MotionHead(network, trained)


def _random_model(size: str, seed: int, motion: bool) -> Model:
    config, trained = SIZES[size], Trained()
    heads = Heads(config.patch_values, CHANNELS[trained.motion_norm] if motion else 0)
    return Model(untrained(lambda: TrackMAE(config, heads), seed), trained, None)
