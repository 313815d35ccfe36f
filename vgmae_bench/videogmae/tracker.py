"""The tracker `videogmae`: it runs the network on windows of a clip and tracks points with its predictions."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.devices import at_once
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.features import CorrespondenceConfig, CorrespondenceTracker
from vgmae_bench.models.frames import FrameWindows, restore
from vgmae_bench.models.readout import TokenOrder, read_tracks
from vgmae_bench.models.windows import WindowTracks, track_windows
from vgmae_bench.settings import at_least, no_effect
from vgmae_bench.training.clips.sources import calibration_clip
from vgmae_bench.training.recipe import untrained
from vgmae_bench.types import Queries, Scene, Tracks
from vgmae_bench.videogmae.checkpoint import Model, load_model
from vgmae_bench.videogmae.features import EncoderFeatures
from vgmae_bench.videogmae.gaussians import switches as options
from vgmae_bench.videogmae.gaussians.fitting import FitConfig, fit
from vgmae_bench.videogmae.gaussians.gaussians import Activation, Backend, Gaussians, activate, fixed_camera
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.scene import whole_scene
from vgmae_bench.videogmae.gaussians.tracking import Variant, bytes_per_point, follow_points
from vgmae_bench.videogmae.network import SIZES, VideoGMAE
from vgmae_bench.videogmae.readout import ReadoutTracker

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class GaussiansConfig:
    """Settings of tracking by predicted Gaussians.

    Attributes:
        variant: "anchors" detects occlusion; "flow" does not.
        apply_scale_factor: use the scale factor of the weights' training.
        flow_alpha: treatment of pixels that Gaussians do not fully cover: the flow is divided by the accumulated alpha
            ("normalised"), unchanged ("paper"), or multiplied by it ("official").
        culled_gaussians: exclude Gaussians outside the camera's depth range ("mask"), or use them too ("include").
        anchor_weights: every Gaussian has its own weight ("one_hot"), or the sum of its chunk of 32 ("chunk_sum", as released).
        pixel_convention: sample maps with pixel centres at +0.5 ("raster"), or with positions as indices ("index").
        anchor_proposal: a point keeps its offset to its anchors ("offset"), is at their weighted centre ("centroid"), or is
            at the centre first and keeps its offset later ("official").
        beta_mode: the share of the anchors' proposal: β ("constant"), or β (1 - mass of the anchors) ("confidence").
        visibility_time: visibility depends on the anchors of this frame ("current") or of the previous frame ("lagged").
        topk: number of anchors per point.
        tau: a point is visible if the mass of its anchors is at least this.
        beta: β of `beta_mode`, from 0 to 1.
        refine_steps: number of gradient steps that fit the predicted Gaussians to each window before tracking. Steps on
            motion follow in proportion (`vgmae_bench.videogmae.gaussians.fitting.FitConfig.steps`).
        backend: back end of splatting. "auto" is the fastest that works on this machine.

    Raises:
        UsageError: a value is out of range.
    """

    variant: Variant = "anchors"
    apply_scale_factor: bool | None = None
    flow_alpha: options.FlowAlpha | None = None
    culled_gaussians: options.CulledGaussians | None = None
    anchor_weights: options.AnchorWeights | None = None
    pixel_convention: options.PixelConvention | None = None
    anchor_proposal: options.AnchorProposal | None = None
    beta_mode: options.BetaMode | None = None
    visibility_time: options.VisibilityTime | None = None
    topk: int | None = None
    tau: float | None = None
    beta: float | None = None
    refine_steps: int = 0
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        _ = self.refinement  # it checks its values

    @property
    def refinement(self) -> FitConfig:
        """Settings of fitting predicted Gaussians to the clip."""
        return FitConfig(steps=self.refine_steps)


@dataclass(frozen=True)
class _Tracking:
    """Settings of tracking in a weights file.

    Attributes:
        tiles: see `VideoGMAEConfig`.
    """

    tiles: int = 1


@dataclass(frozen=True)
class VideoGMAEConfig:
    """Settings of the tracker. Only the section of the active read-out has an effect.

    Attributes:
        size: size of the random network that is used without weights.
        readout: how points are tracked. "auto" uses the predicted Gaussians or the trained cross-attention readout, as the
            weights need it. "features" matches the encoder's features, without training.
        preset: the values of all options that are None (`vgmae_bench.videogmae.gaussians.switches.Switches`).
        token_order: the encoder gets patches in raster order ("identity") or permuted ("shuffled", as released).
        clip_to_frame: clamp the reported positions to the frame.
        shuffle_seed: seed of token_order "shuffled". Every window gets the same permutation.
        precision: floating point type of the network. Gaussians and tracks are always float32.
        tiles: number of network frames that fit along a side of the tracked frames. 1: the whole frame is resized to the
            network's size. 2: it is resized to twice this size and cut into tiles that overlap by half
            (`vgmae_bench.models.windows.on_tiles`). Small networks then see more detail, and motion in larger pixels. None:
            the value in the weights file, otherwise 1. Ours. readout="features" ignores it.
        points_per_batch: points processed at once. It limits memory and does not change answers, except for rounding. None:
            as many as fit (`vgmae_bench.devices.at_once`).
        gaussians: settings of tracking by Gaussians.
        features: settings of readout="features".

    Raises:
        UsageError: a value is out of range.
    """

    size: Literal["tiny", "base", "large"] = "tiny"
    readout: Literal["auto", "features"] = "auto"
    preset: options.Preset = "default"
    token_order: TokenOrder | None = None
    clip_to_frame: bool | None = None
    shuffle_seed: int = 0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    tiles: int | None = None
    points_per_batch: int | None = no_effect(None)
    gaussians: GaussiansConfig = field(default_factory=GaussiansConfig)
    features: CorrespondenceConfig = field(default_factory=CorrespondenceConfig)

    def __post_init__(self) -> None:
        at_least(self, points_per_batch=1, tiles=1)
        _ = self.switches  # it checks its values, here rather than after the weights are loaded

    @property
    def switches(self) -> options.Switches:
        """The switches of the preset, replaced by those that are set here."""
        given = {**vars(self.gaussians), **vars(self)}
        names = [field.name for field in fields(options.Switches)]
        changes = {name: given[name] for name in names if given[name] is not None}
        return replace(options.PRESETS[self.preset], **changes)


class VideoGMAETracker:
    """Tracks forward in time from each query's frame, at the network's own resolution.

    Frames of any size are resized to the network's square, and tracks are scaled back. Without weights the network is random
    and depends on `seed` alone; `note` says so.

    Arguments:
        config: settings.
        weights: a file of Video-GMAE weights with or without readout, a model whose network is used directly, or None.
        device: any device name of torch.
        seed: seed of random weights.

    Raises:
        WeightsError: the file is damaged, or holds other weights.
        UsageError: the settings do not fit the encoder.
    """

    def __init__(self, config: VideoGMAEConfig, weights: Path | Model | None, device: str, seed: int) -> None:
        self.note = "random weights" if weights is None else ""
        self.unused_settings: set[str] = set() if weights is None else {"size"}
        self._config, self._switches, self._device = config, config.switches, torch.device(device)
        if weights is None:
            weights = Model(untrained(lambda: VideoGMAE(SIZES[config.size]), seed), Activation())
        model, self._activation, tiles = weights if isinstance(weights, Model) else _trained_model(weights, config)
        self._tiles = config.tiles or tiles
        if not self._switches.apply_scale_factor:
            self._activation = replace(self._activation, scale_factor=1.0)
        self._model, self._length = model.to(self._device), model.config.num_frames
        self._features: CorrespondenceTracker | None = None
        if config.readout == "features":
            encoder = EncoderFeatures(model)
            self._features = CorrespondenceTracker(encoder, config.features, device, calibration_clip, backward=False)
            self.unused_settings |= {"gaussians", "token_order", "clip_to_frame", "shuffle_seed", "tiles"}
        elif isinstance(model, ReadoutTracker):
            self._length *= model.readout.config.windows
            self._track_window = partial(self._read_out, model)
            self.unused_settings |= {"features", "gaussians"}
        elif isinstance(model, VideoGMAE):
            self._track_window = partial(self._follow_gaussians, model)
            self.unused_settings |= {"features"}

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames` (uint8 [T, H, W, 3] RGB); see `vgmae_bench.models.windows.track_windows`."""
        if self._features is not None:
            return self._features.track(frames, queries)
        size = self._model.config.image_size
        tracks = track_windows(frames, queries, self._length, size, self._device, self._track_window, self._tiles)
        if self._switches.clip_to_frame:
            return Tracks(np.clip(tracks.xy, 0, (frames.shape[2], frames.shape[1])), tracks.visible)
        return tracks

    def scene(self, frames: npt.NDArray[np.uint8]) -> Scene:
        """The flow, Gaussian centres and reconstruction of `frames` (uint8 [T, H, W, 3] RGB).

        Raises:
            UsageError: the weights hold a readout, which has no Gaussians.
        """
        model, network = self._model, self._model.config
        if not isinstance(model, VideoGMAE):
            raise UsageError("These weights have a readout and no Gaussians", "", try_="weights without a readout")
        windows = FrameWindows(frames, network.num_frames, (network.image_size, network.image_size), self._device)

        def gaussians_of(start: int) -> Gaussians:
            with torch.inference_mode():
                return self._gaussians(model, windows[start])

        size, backend = (frames.shape[1], frames.shape[2]), self._config.gaussians.backend
        return whole_scene(len(frames), size, network, gaussians_of, self._switches, backend)

    def _follow_gaussians(self, model: VideoGMAE, video: Tensor, xy: Tensor) -> WindowTracks:
        """Track positions xy [M, 2] from the first frame of video [1, 3, T, h, w] through the window."""
        gaussians = self._gaussians(model, video)
        camera = fixed_camera(video.shape[3], video.shape[4], like=xy)
        motion = read_motion(gaussians, camera, self._switches, self._config.gaussians.backend)
        count = self._config.points_per_batch or at_once(bytes_per_point(gaussians.opacities.shape[-1]), self._device)
        return follow_points(motion, xy, self._config.gaussians.variant, self._switches, count)

    def _gaussians(self, model: VideoGMAE, video: Tensor) -> Gaussians:
        """The Gaussians of a window [1, 3, T, h, w], refined if `refine_steps` is positive."""
        with self._autocast():
            x = model.decode(model.encode(video, order=self._order()))
        return fit(
            activate(x.float(), self._activation),
            restore(video[0].transpose(0, 1)),
            self._config.gaussians.refinement,
            guess="given",
            backend=self._config.gaussians.backend,
        )

    def _read_out(self, model: ReadoutTracker, video: Tensor, xy: Tensor) -> WindowTracks:
        with self._autocast():
            return read_tracks(model, video, xy, self._order(), points_at_once=self._config.points_per_batch)

    def _autocast(self) -> torch.autocast:
        dtype = PRECISIONS[self._config.precision]
        return torch.autocast(self._device.type, dtype, enabled=dtype is not torch.float32)

    def _order(self) -> Tensor | None:
        if self._switches.token_order == "identity":
            return None
        generator = torch.Generator().manual_seed(self._config.shuffle_seed)
        return torch.randperm(self._model.config.num_tokens, generator=generator)[None]


def _trained_model(path: Path, config: VideoGMAEConfig) -> Model:
    """The model of a weights file, whose configuration has the sections "activation" and "tracking"."""
    model, weights = load_model(path)
    if not isinstance(model, VideoGMAE | ReadoutTracker) and config.readout != "features":
        raise WeightsError(
            f'{path} holds a "{weights.kind}" model',
            "it has neither Gaussians nor a readout for tracking",
            try_="--set readout=features",
        )
    activation = weights.section("activation", Activation, optional=True)
    return Model(model, activation, weights.section("tracking", _Tracking, optional=True).tiles)
