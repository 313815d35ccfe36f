"""Points tracked by the features of a video encoder that was never trained to track: the readout `features`.

Sources: the matching of GMRW-D and of Chrono (arXiv 2409.16288; CVPR 2025), the propagation of the contrastive random walk
(NeurIPS 2020), and for the leak of positions into features DiffTrack (NeurIPS 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.coordinates import rescale
from vgmae_bench.errors import UsageError
from vgmae_bench.models.features.debias import Debias, calibrate
from vgmae_bench.models.features.encoder import Clean, PatchEncoder, slots, stitched_maps
from vgmae_bench.models.features.matching import SoftArgmax, locate, sample, similarity
from vgmae_bench.models.features.propagation import Direct, Either, Propagation, Recurrent, RecurrentConfig
from vgmae_bench.models.frames import prepare
from vgmae_bench.types import Queries, Tracks

CalibrationClip = Callable[[int, int, int, str], Tensor]
"""(number, frames T, side S, device) → a clip to calibrate with, uint8 [T, S, S, 3] RGB on the device."""

CYCLE_RASTER = 256
"""Pixels along a side of the frames that `CorrespondenceConfig.max_cycle` is meant for."""


@dataclass(frozen=True)
class CorrespondenceConfig:
    """Settings of the readout.

    Trackers that can be read out in other ways, too, extend these settings: names say which readout they belong to.

    Attributes:
        propagation: "direct" matches every frame with the query's, "recurrent" hands points on from frame to frame, "both"
            takes for each point and frame the answer that looks more like the query.
        context: "query" encodes the query's frame together with those it is matched with, anew for each frame that points
            are queried in; "window" encodes every frame once, with its neighbours, and holds all maps of the clip.
        stitch: maps are so many times as fine as patches, at so many passes squared.
        calibration_clips: generated clips (of the split for training) that say what features hold of their place alone; 0:
            features are taken as they are.
        drop_components, whiten: see `vgmae_bench.models.features.debias.calibrate`.
        match_beta, match_radius: how scores become a position: softmax of `match_beta` times the cosines within so many cells
            of the best one.
        match_prior: for direct matching, the standard deviation of how far points go from a frame to the next, as a share of
            the frame's width; 0: they may go anywhere.
        min_similarity: a point is hidden where its cosine with the query falls below.
        max_cycle: and where matching it back misses the query by more, in pixels of 256x256 frames.
        recurrent_frames, recurrent_topk, recurrent_tau, recurrent_reach: recurrent propagation hands on labels from the
            query's and so many last frames, each cell's from so many cells most alike, with shares at that temperature;
            cells of the last frames farther away than so many cells give none.

    Raises:
        UsageError: a number out of its range.
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
        at_least = {"stitch": 1, "match_radius": 1, "recurrent_topk": 1}
        counts = [
            "calibration_clips",
            "drop_components",
            "match_prior",
            "max_cycle",
            "recurrent_frames",
            "recurrent_reach",
        ]
        for name, limit in {**at_least, **dict.fromkeys(counts, 0)}.items():
            if not getattr(self, name) >= limit:
                raise UsageError(f"{name} must be at least {limit}", f"it is {getattr(self, name)}")
        for name in ("match_beta", "recurrent_tau"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be positive", f"it is {getattr(self, name)}")
        if not self.calibration_clips and (self.drop_components or self.whiten):
            raise UsageError("drop_components and whiten need calibration", "calibration_clips is 0")


class CorrespondenceTracker:
    """Tracks from each query's frame, in the encoder's square raster.

    Arguments:
        encoder: on `device`; nothing of it is trained.
        config: settings.
        device: anything torch knows.
        calibration_clip: where clips to calibrate with come from.
        backward: to the frames before it, too; without, points stay there where they were queried and are hidden.

    Raises:
        UsageError: the settings do not suit the encoder.
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
        self._calibration_clip, self._backward = calibration_clip, backward
        self._cell = encoder.patch_size / config.stitch
        self._how = SoftArgmax(config.match_beta, config.match_radius)
        self._clean: Clean | None = None

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames`, uint8 [T, H, W, 3] RGB."""
        clip_size, size = (frames.shape[1], frames.shape[2]), (self._encoder.image_size, self._encoder.image_size)
        start = torch.from_numpy(rescale(queries.xy, clip_size, size)).float().to(self._device)
        xy = start[:, None].repeat(1, len(frames), 1)
        visible = torch.from_numpy(queries.frame[:, None] == np.arange(len(frames))).to(self._device)
        with torch.inference_mode():
            maps = _Maps(self._encoder, self._config, self._cleaner(), frames, self._device)
            for query_frame in np.unique(queries.frame).tolist():
                rows = torch.from_numpy(np.flatnonzero(queries.frame == query_frame)).to(self._device)
                before = range(query_frame - 1, -1, -1) if self._backward else range(0)
                for targets in (range(query_frame + 1, len(frames)), before):
                    follow = self._propagation(start[rows])
                    for t, query, frame in maps.pairs(query_frame, targets):
                        found = follow.step(query, frame)
                        xy[rows, t] = found.xy
                        back = locate(similarity(sample(frame, found.xy, self._cell), query), self._cell, self._how)
                        visible[rows, t] = self._seen(found.xy, found.score, (back - start[rows]).norm(dim=1))
        return Tracks(xy=rescale(xy.cpu().numpy(), size, clip_size), visible=visible.cpu().numpy())

    def _propagation(self, xy: Tensor) -> Propagation:
        config = self._config
        direct = Direct(xy, self._cell, self._how, config.match_prior * self._encoder.image_size)
        if config.propagation == "direct":
            return direct
        settings = RecurrentConfig(
            config.recurrent_frames, config.recurrent_topk, config.recurrent_tau, config.recurrent_reach
        )
        recurrent = Recurrent(xy, self._cell, config.match_radius, settings)
        return recurrent if config.propagation == "recurrent" else Either(direct, recurrent)

    def _seen(self, xy: Tensor, score: Tensor, error: Tensor) -> Tensor:
        size = self._encoder.image_size
        inside = ((xy >= 0) & (xy < size)).all(dim=1)
        return inside & (score >= self._config.min_similarity) & (error * CYCLE_RASTER / size <= self._config.max_cycle)

    def _cleaner(self) -> Clean:
        """What is done to maps; worked out once."""
        if self._clean is None:
            self._clean = self._calibrated() if self._config.calibration_clips else _as_they_are
        return self._clean

    def _calibrated(self) -> Debias:
        encoder, config = self._encoder, self._config
        size = encoder.image_size

        def images(number: int) -> Tensor:
            return prepare(self._calibration_clip(number, slots(encoder), size, str(self._device)), (size, size))

        generated = (images(number) for number in range(config.calibration_clips))
        return calibrate(encoder, generated, drop=config.drop_components, whiten=config.whiten)


class _Maps:
    """The maps of a clip's frames, encoded when they are needed."""

    def __init__(
        self,
        encoder: PatchEncoder,
        config: CorrespondenceConfig,
        clean: Clean,
        frames: npt.NDArray[np.uint8],
        device: torch.device,
    ) -> None:
        self._encoder, self._config, self._clean = encoder, config, clean
        self._frames, self._device = frames, device
        self._windows: dict[int, Tensor] = {}

    def pairs(self, query: int, targets: Sequence[int]) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Each target with the map of the query's frame and its own."""
        if self._config.context == "window":
            for target in targets:
                yield target, self._of(query), self._of(target)
            return
        room = slots(self._encoder) - 1
        for start in range(0, len(targets), room):
            some = targets[start : start + room]
            first, *others = self._encode([query, *some])
            for target, frame in zip(some, others, strict=True):
                yield target, first, frame

    def _of(self, frame: int) -> Tensor:
        room = slots(self._encoder)
        window = frame // room
        if window not in self._windows:
            numbers = range(window * room, min((window + 1) * room, len(self._frames)))
            self._windows[window] = self._encode(numbers)
        return self._windows[window][frame % room]

    def _encode(self, numbers: Sequence[int]) -> Tensor:
        """[n, h, w, C]."""
        images = torch.from_numpy(self._frames[list(numbers)]).to(self._device)
        size = (self._encoder.image_size, self._encoder.image_size)
        return stitched_maps(self._encoder, prepare(images, size), self._config.stitch, self._clean)


def _as_they_are(maps: Tensor) -> Tensor:
    return maps
