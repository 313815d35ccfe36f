"""Pretraining of TrackMAE: hide most of a clip, predict its appearance and the motion of its points (arXiv 2603.27268).

Where paper, official code (rvandeghen/TrackMAE 3e7db78) and our defaults differ, there is a setting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from vgmae_bench.config import Json
from vgmae_bench.devices import to_device
from vgmae_bench.errors import UsageError
from vgmae_bench.models.frames import prepare_clips
from vgmae_bench.models.nn import rows
from vgmae_bench.models.weights_file import take_what_fits
from vgmae_bench.settings import at_least
from vgmae_bench.training.recipe import Batch, ClipShape, Losses, Recipe
from vgmae_bench.training.settings import ClipDataConfig, LoopConfig

from .checkpoint import Model, Trained, load_model, save_model
from .network import Heads, NetworkConfig, Predictions, TrackMAE, split
from .pictures import draw
from .targets.clip_tower import ClipTower, Statistics, tower_channels
from .targets.masking import motion_bins, random_tubes, shown_tubes, tube_motion, wanted_of_halves
from .targets.motion import CHANNELS, SIDE, Targets, motion_loss, motion_targets
from .targets.spatial import pixel_targets
from .teachers.registry import TeacherName, open_teacher
from .teachers.teacher import Teacher, TeacherTracks
from .tracker import TrackMAEConfig, TrackMAETracker


@dataclass(frozen=True)
class PretrainData(ClipDataConfig):
    """Settings of the clips.

    Attributes:
        stride: step between frames of a clip, in frames of the video. Synthetic clips ignore it.
    """

    stride: int = 4


@dataclass(frozen=True)
class PretrainConfig(LoopConfig):
    """Settings of pretraining.

    Attributes:
        network: shape of the network.
        targets: settings that users of the weights need.
        data: the clips.
        spatial_target: "pixel": the standardised pixels of each token. "clip": features of a frozen image network. "none":
            motion only ("trajectory only").
        motion_tokens: tokens whose motion is predicted: "masked" tokens (paper), or "all" (ours). Visible tokens do not show
            their motion, either. On small data, "all" learns motion much earlier.
        spatial_weight, motion_weight: weights of the two losses; 0: not learned. The paper has 1 and 1 with pixels, 1 and 0.25
            with CLIP.
        normalise_pixels: standardise the pixels of each token, per colour.
        clip_model: the CLIP model: a folder of transformers, or a name on the Hugging Face hub.
        clip_stats: normalisation of CLIP's input: CLIP's own statistics, or ImageNet's as in the official code.
        teacher: source of the tracks: "lucas-kanade", "ground-truth" (synthetic clips only), or "cotracker3", which was
            trained on labels.
        cache_tracks: cache the teacher's tracks on disk for other trainings on the same clips.
        mask_type: choice of hidden tubes: "random", or "motion-bins", which shows a share `ratio_motion` of the tubes with
            the most motion.
        ratio_motion: share of the visible tubes that belong to the half with the most motion, drawn between two limits for each
            clip. The paper has one half; the official command has 0.15, if enabled.

    Raises:
        UsageError: a value is out of range, or there is nothing to learn.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    targets: Trained = field(default_factory=Trained)
    data: PretrainData = field(default_factory=PretrainData)
    spatial_target: Literal["pixel", "clip", "none"] = "pixel"
    spatial_weight: float = 1.0
    motion_weight: float = 1.0
    motion_tokens: Literal["masked", "all"] = "masked"
    normalise_pixels: bool = True
    clip_model: str = "openai/clip-vit-base-patch16"
    clip_stats: Statistics = "clip"
    teacher: TeacherName = "lucas-kanade"
    cache_tracks: bool = True
    mask_type: Literal["motion-bins", "random"] = "motion-bins"
    ratio_motion: tuple[float, float] = (0.5, 0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, spatial_weight=0, motion_weight=0)
        if not self.learns_appearance and not self.motion_weight:
            raise UsageError("There is nothing to learn", "neither appearance nor motion", try_="--set motion_weight=1")
        low, high = self.ratio_motion
        if not 0 <= low <= high <= 1:
            raise UsageError("ratio_motion must be two ascending shares", f"it is {self.ratio_motion}")
        if shown_tubes(self.network.tubes, self.targets.mask_ratio) == self.network.tubes:
            raise UsageError(f"mask_ratio {self.targets.mask_ratio} hides none of {self.network.tubes} tubes")
        if self.mask_type == "motion-bins":
            self._check_halves()
        if self.needs_tracks and self.network.slots < 2:
            raise UsageError("Motion needs at least two tubelets", f"num_frames={self.network.num_frames} has one")

    def _check_halves(self) -> None:
        """Raise UsageError if a half has too few tubes. Fewer tubes than `mask_ratio` requires would then be visible."""
        tubes, mask_ratio = self.network.tubes, self.targets.mask_ratio
        for share in self.ratio_motion:
            wanted = wanted_of_halves(shown_tubes(tubes, mask_ratio), share)
            if wanted[0] > tubes // 2 or wanted[1] > tubes - tubes // 2:
                what = f"mask_ratio {mask_ratio} with ratio_motion {share} needs more tubes of one half than it has"
                why = f"{wanted[0]} that move most and {wanted[1]} others, of {tubes} in all"
                raise UsageError(what, why, try_="--set ratio_motion=[0.5,0.5]")

    @property
    def learns_appearance(self) -> bool:
        """Whether appearance is a target."""
        return self.spatial_target != "none" and self.spatial_weight > 0

    @property
    def needs_tracks(self) -> bool:
        """Whether a teacher must provide tracks."""
        return self.motion_weight > 0 or self.mask_type == "motion-bins"


class Pretraining(Recipe[TrackMAE, Batch]):
    """The pretraining recipe of TrackMAE.

    Arguments:
        teacher: the teacher; None: the one in the settings, opened on first use.
    """

    config: PretrainConfig

    def __init__(self, config: PretrainConfig, teacher: Teacher | None = None) -> None:
        super().__init__(config, lambda: TrackMAE(config.network, _heads(config)))
        self._teacher = teacher
        self._tower: ClipTower | None = None

    def init_from(self, weights: Path) -> list[str]:
        """Start from weights of TrackMAE or VideoMAE, or from a classifier's encoder; see `take_what_fits`."""
        loaded = load_model(weights).network
        prefix = "" if isinstance(loaded, TrackMAE) else "encoder."
        return take_what_fits(self.network, {prefix + name: p for name, p in loaded.named_parameters()}, weights.name)

    def shape(self, step: int) -> ClipShape:
        """See `vgmae_bench.training.recipe.Recipe.shape`."""
        network, data = self.config.network, self.config.data
        return ClipShape(network.num_frames, network.image_size, data.stride, data.speed)

    def forward(self, batch: Batch, step: int) -> Losses:
        """Mean squared errors of appearance (hidden tokens) and of motion (hidden tokens or all)."""
        with torch.autocast(batch.video.device.type, enabled=False):
            tracks = self.tracks_per_tubelet(batch)
            mask = self.masks(batch.seeds, tracks)
        predicted = self.network(prepare_clips(batch.video), mask, motion_of_all=self.config.motion_tokens == "all")
        with torch.autocast(batch.video.device.type, enabled=False):
            return Losses.sum_of(self._losses(predicted, batch.video, mask, tracks))

    def tracks_per_tubelet(self, batch: Batch) -> TeacherTracks | None:
        """The teacher's tracks in the first frame of each tubelet; None if nothing is learned from tracks.

        There are tracks of four points per patch, or of one if the others are interpolated.
        """
        config = self.config
        if not config.needs_tracks:
            return None
        if self._teacher is None:
            self._teacher = open_teacher(
                config.teacher,
                seed=config.seed,
                speed=config.data.speed,
                cache=config.cache_tracks,
                device=str(batch.video.device),
            )
        grid = config.network.grid * (1 if config.targets.upsample_tracks else SIDE)
        with torch.no_grad():
            xy, visible = self._teacher.tracks(batch.video, batch.numbers, grid)
        span = config.network.tubelet_size
        return TeacherTracks(xy[:, :, ::span], visible[:, :, ::span])

    def masks(self, seeds: tuple[int, ...], tracks: TeacherTracks | None) -> Tensor:
        """The hidden tokens of each clip, bool [B, N] on the CPU, in whole tubes. They depend on the clip's seed and motion."""
        config, network = self.config, self.config.network
        shown = shown_tubes(network.tubes, config.targets.mask_ratio)
        motion = None
        if tracks is not None and config.mask_type == "motion-bins":
            motion = tube_motion(tracks.xy, network.grid).cpu()
        low, high = config.ratio_motion
        hidden = []
        for clip, seed in enumerate(seeds):
            draws = torch.rand(network.tubes + 1, generator=torch.Generator().manual_seed(seed))
            if motion is None:
                hidden.append(random_tubes(draws[:-1], shown))
            else:
                hidden.append(motion_bins(motion[clip], draws[:-1], shown, low + (high - low) * draws[-1].item()))
        return torch.stack(hidden).repeat(1, network.slots)

    def _losses(
        self, predicted: Predictions, video: Tensor, mask: Tensor, tracks: TeacherTracks | None
    ) -> dict[str, Tensor]:
        config = self.config
        shown, hidden = (to_device(ids, video.device) for ids in split(mask, mask.shape[1]))
        parts = {}
        if predicted.spatial is not None:
            wrong = (predicted.spatial.float() - self.spatial_targets(video, hidden)).square().mean()
            parts["spatial"] = config.spatial_weight * wrong
        if predicted.motion is not None:
            assert tracks is not None  # motion_weight is positive
            every = motion_targets(*tracks, config.network.patch_size, config.targets)
            tokens = torch.cat([shown, hidden], dim=1) if config.motion_tokens == "all" else hidden
            targets = Targets(*(rows(part, tokens) for part in every))
            parts["motion"] = config.motion_weight * motion_loss(predicted.motion.float(), targets)
        return parts

    def spatial_targets(self, video: Tensor, tokens: Tensor) -> Tensor:
        """The spatial targets, float [B, n, C], of tokens int64 [B, n] of clips uint8 [B, T, H, W, 3]."""
        config, network = self.config, self.config.network
        rgb = video.permute(0, 4, 1, 2, 3).float() / 255
        if config.spatial_target == "pixel":
            return pixel_targets(rgb, tokens, network, normalise=config.normalise_pixels)
        if self._tower is None:
            self._tower = ClipTower(config.clip_model, config.clip_stats, video.device)
        return rows(self._tower.targets(rgb, network), tokens)

    def export(self, path: Path, source: Json) -> None:
        """See `vgmae_bench.training.recipe.Recipe.export`."""
        save_model(path, self.network, self.config.targets, source)

    def tracker(self, device: str) -> TrackMAETracker | None:
        """None if the motion head cannot track."""
        if not self.config.motion_weight or self.config.targets.motion_norm == "patch":
            return None
        return TrackMAETracker(TrackMAEConfig(), Model(self.network, self.config.targets, None), device, seed=0)

    def pictures(self, batch: Batch, path: Path) -> None:
        """Draw clips, their visible parts, and predictions next to the targets."""
        with torch.no_grad():
            tracks = self.tracks_per_tubelet(batch)
            mask = self.masks(batch.seeds, tracks).to(batch.video.device)
            predicted = self.network(prepare_clips(batch.video), mask)
        config = self.config
        targets = None if tracks is None else motion_targets(*tracks, config.network.patch_size, config.targets)
        pixels = config.spatial_target == "pixel"
        shown = predicted if pixels else predicted._replace(spatial=None)
        norm, normalised = config.targets.motion_norm, config.normalise_pixels
        draw(batch.video, mask, shown, targets, config.network, norm, path, normalised=normalised)


@dataclass(frozen=True)
class VideoMAEConfig(PretrainConfig):
    """Settings of VideoMAE's pretraining: those of TrackMAE without motion.

    Raises:
        UsageError: motion_weight is not 0.
    """

    motion_weight: float = 0.0
    mask_type: Literal["motion-bins", "random"] = "random"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.motion_weight:
            raise UsageError("VideoMAE does not learn motion", "", try_="--method trackmae")


class VideoMAEPretraining(Pretraining):
    """The pretraining recipe of VideoMAE: TrackMAE's with motion_weight 0."""

    def __init__(self, config: VideoMAEConfig) -> None:
        super().__init__(config)


def _heads(config: PretrainConfig) -> Heads:
    """The number of values that each decoder predicts per token."""
    spatial = 0
    if config.learns_appearance:
        clip = config.spatial_target == "clip"
        spatial = tower_channels(config.clip_model) if clip else config.network.patch_values
    return Heads(spatial, CHANNELS[config.targets.motion_norm] if config.motion_weight else 0)
