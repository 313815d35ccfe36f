"""Tracks points by the features of a video encoder that was not trained for tracking: the read-out `features`.

Sources: matching as in GMRW-D and in Chrono (arXiv 2409.16288; CVPR 2025); propagation as in the contrastive random walk
(NeurIPS 2020); for the leak of positions into features, DiffTrack (NeurIPS 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.devices import at_once, to_device
from vgmae_bench.errors import UsageError
from vgmae_bench.models.features.debias import calibrate
from vgmae_bench.models.features.encoder import Clean, PatchEncoder, slots, stitched_maps
from vgmae_bench.models.features.matching import SoftArgmax, locate, sample, similarity
from vgmae_bench.models.features.propagation import Direct, Either, Propagation, Recurrent
from vgmae_bench.models.frames import prepare
from vgmae_bench.models.points import inside
from vgmae_bench.settings import at_least, positive
from vgmae_bench.types import Queries, Tracks, rescale

CalibrationClip = Callable[[int, int, int, str], Tensor]
"""(number, frames T, side S, device) → a calibration clip, uint8 [T, S, S, 3] RGB on the device."""

CYCLE_RASTER = 256
"""Side in pixels of the frames to which `CorrespondenceConfig.max_cycle` refers."""

MAPS_PER_POINT = 8
"""Maps of a value per cell that matching holds for each point at a time, at most."""


@dataclass(frozen=True)
class CorrespondenceConfig:
    """Settings of the readout.

    Trackers with several read-outs have these settings as a section.

    Attributes:
        propagation: "direct" matches every frame with the query's frame. "recurrent" propagates points from frame to frame.
            "both" uses, for each point and frame, the result that is more similar to the query.
        context: "query" encodes the query's frame together with the frames that it is matched with, again for each query frame.
            "window" encodes every frame once, with its neighbours, and keeps all maps of the clip in memory.
        stitch: resolution of the maps, relative to the patches. The encoder runs stitch² times.
        calibration_clips: number of generated clips (training split) that measure the part of the features that depends on
            position only. This part is then subtracted. 0: no correction.
        drop_components: number of principal components to remove from the features, largest first.
        whiten: scale the remaining components to about equal variance.
        match_beta, match_radius: a position is the softmax of `match_beta` times the cosine similarities, within `match_radius`
            cells of the best one.
        match_prior: for direct matching, the standard deviation of the motion per frame, as a share of the frame's width; 0: no
            prior.
        min_similarity: a point is hidden if its cosine similarity with the query is lower.
        max_cycle: a point is also hidden if matching it back misses the query by more than this, in pixels of 256 x 256 frames.
        recurrent_frames: for recurrent propagation, number of previous frames that give labels, besides the query's frame.
        recurrent_topk: for recurrent propagation, number of most similar cells that give a cell its labels.
        recurrent_tau: for recurrent propagation, temperature of their weights.
        recurrent_reach: for recurrent propagation, search radius in cells. The query's frame has no limit.

    Raises:
        UsageError: a value is out of range.
    """

    propagation: Literal["direct", "recurrent", "both"] = "direct"
    context: Literal["query", "window"] = "query"
    stitch: int = 2
    calibration_clips: int = 16
    drop_components: int = 0
    whiten: bool = False
    match_beta: float = 20.0
    match_radius: float = 1.5
    match_prior: float = 0.0
    min_similarity: float = 0.3
    max_cycle: float = 16.0
    recurrent_frames: int = 4
    recurrent_topk: int = 10
    recurrent_tau: float = 0.07
    recurrent_reach: float = 12.0

    def __post_init__(self) -> None:
        at_least(self, stitch=1, match_radius=1, recurrent_topk=1, calibration_clips=0, drop_components=0)
        at_least(self, match_prior=0, max_cycle=0, recurrent_frames=0, recurrent_reach=0)
        positive(self, "match_beta", "recurrent_tau")
        if not self.calibration_clips and (self.drop_components or self.whiten):
            raise UsageError("drop_components and whiten need calibration", "calibration_clips is 0")


class CorrespondenceTracker:
    """Tracks points from each query's frame, in the encoder's square raster.

    Arguments:
        encoder: the encoder, on `device`. It is not trained.
        config: settings.
        device: any device name of torch.
        calibration_clip: returns calibration clips.
        backward: also track to earlier frames. Otherwise, points stay at the query's position there and are hidden.

    Raises:
        UsageError: the settings do not fit the encoder.
    """

    def __init__(
        self,
        encoder: PatchEncoder,
        config: CorrespondenceConfig,
        device: str,
        calibration_clip: CalibrationClip,
        *,
        backward: bool = True,
    ) -> None:
        if config.context == "query" and slots(encoder) < 2:
            raise UsageError(
                'context="query" needs two frames at a time', "the encoder sees one", try_="--set context=window"
            )
        self._encoder, self._config, self._device = encoder, config, torch.device(device)
        self._size, self._backward = (encoder.image_size, encoder.image_size), backward
        self._calibration_clip = calibration_clip
        self._cell = encoder.patch_size / config.stitch
        self._how = SoftArgmax(config.match_beta, config.match_radius)

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames`, uint8 [T, H, W, 3] RGB."""
        clip_size, size = (frames.shape[1], frames.shape[2]), self._size
        start = to_device(torch.from_numpy(rescale(queries.xy, clip_size, size)).float(), self._device)
        xy = start[:, None].repeat(1, len(frames), 1)
        visible = to_device(torch.from_numpy(queries.frame[:, None] == np.arange(len(frames))), self._device)
        with torch.inference_mode():
            windows: dict[int, Tensor] = {}
            for query_frame in np.unique(queries.frame).tolist():
                asked = to_device(torch.from_numpy(np.flatnonzero(queries.frame == query_frame)), self._device)
                parts = torch.split(asked, self._at_once())
                before = range(query_frame - 1, -1, -1) if self._backward else range(0)
                for targets in (range(query_frame + 1, len(frames)), before):
                    follows = [self._propagation(start[rows]) for rows in parts]
                    for t, query, frame in self._pairs(frames, query_frame, targets, windows):
                        for rows, follow in zip(parts, follows, strict=True):
                            found = follow.step(query, frame)
                            xy[rows, t] = found.xy
                            back = locate(similarity(sample(frame, found.xy, self._cell), query), self._cell, self._how)
                            visible[rows, t] = self._seen(found.xy, found.score, (back - start[rows]).norm(dim=1))
        return Tracks(xy=rescale(xy.cpu().numpy(), size, clip_size), visible=visible.cpu().numpy())

    def _at_once(self) -> int:
        """Number of points that are compared with a map together. The answers of points do not depend on each other."""
        cells = round(self._encoder.image_size / self._cell) ** 2
        return at_once(MAPS_PER_POINT * cells * torch.float32.itemsize, self._device)

    def _propagation(self, xy: Tensor) -> Propagation:
        config = self._config
        direct = Direct(xy, self._cell, self._how, config.match_prior * self._encoder.image_size)
        if config.propagation == "direct":
            return direct
        found = config.recurrent_frames, config.recurrent_topk, config.recurrent_tau, config.recurrent_reach
        recurrent = Recurrent(xy, self._cell, config.match_radius, *found)
        return recurrent if config.propagation == "recurrent" else Either(direct, recurrent)

    def _seen(self, xy: Tensor, score: Tensor, error: Tensor) -> Tensor:
        near = error * CYCLE_RASTER / self._encoder.image_size <= self._config.max_cycle
        return inside(xy, self._size) & (score >= self._config.min_similarity) & near

    @cached_property
    def _clean(self) -> Clean:
        """The correction of maps."""
        encoder, config = self._encoder, self._config
        if not config.calibration_clips:
            return lambda maps: maps

        def images(number: int) -> Tensor:
            clip = self._calibration_clip(number, slots(encoder), encoder.image_size, str(self._device))
            return prepare(clip, self._size)

        generated = (images(number) for number in range(config.calibration_clips))
        return calibrate(encoder, generated, drop=config.drop_components, whiten=config.whiten)

    def _pairs(
        self, frames: npt.NDArray[np.uint8], query: int, targets: Sequence[int], windows: dict[int, Tensor]
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Each target frame, with the map of the query's frame and its own map.

        Arguments:
            windows: keeps the maps of the clip's windows, for context="window".
        """
        room = slots(self._encoder)

        def from_window(frame: int) -> Tensor:
            number = frame // room
            if number not in windows:
                windows[number] = self._maps(frames, range(number * room, min((number + 1) * room, len(frames))))
            return windows[number][frame % room]

        if self._config.context == "window":
            for target in targets:
                yield target, from_window(query), from_window(target)
            return
        for start in range(0, len(targets), room - 1):
            some = targets[start : start + room - 1]
            first, *others = self._maps(frames, [query, *some])
            for target, own in zip(some, others, strict=True):
                yield target, first, own

    def _maps(self, frames: npt.NDArray[np.uint8], numbers: Sequence[int]) -> Tensor:
        """The maps [n, h, w, C] of some frames that are encoded together."""
        images = to_device(torch.from_numpy(frames[list(numbers)]), self._device)
        return stitched_maps(self._encoder, prepare(images, self._size), self._config.stitch, self._clean)
