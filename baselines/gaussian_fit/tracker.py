"""The tracker `gaussian-fit`: it fits Gaussians to each window of a clip and tracks points with them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate, pad

from vgmae_bench.errors import UsageError
from vgmae_bench.models.frames import FrameWindows, restore
from vgmae_bench.models.windows import WindowTracks, sweep
from vgmae_bench.settings import at_least, no_effect
from vgmae_bench.types import Queries, Tracks, rescale
from vgmae_bench.videogmae.gaussians.fitting import FitConfig, fit
from vgmae_bench.videogmae.gaussians.gaussians import SCENE_DEPTH, Backend, Gaussians, fixed_camera
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.switches import Switches
from vgmae_bench.videogmae.gaussians.tracking import Variant, follow_points

MARGIN = 2
"""Rows of Gaussians outside each border of the frame, for content that will enter."""
OVERLAP = 0.6
"""Standard deviation of a Gaussian, in units of the grid spacing."""
OPACITY = 0.95
"""Initial opacity of a Gaussian."""


@dataclass(frozen=True)
class GaussianFitConfig(FitConfig):
    """Settings of the tracker, in addition to those of the fit (`vgmae_bench.videogmae.gaussians.fitting.FitConfig`).

    Attributes:
        grid: Gaussians per row and per column of the frame.
        window: largest number of frames per window. Windows overlap by one frame.
        flow_resolution: side of the rendered flow in pixels.
        variant: "anchors" detects occlusion; "flow" does not.
        tau: a point is visible if the mass of its anchors is at least this
            (`vgmae_bench.videogmae.gaussians.switches.Switches`). It is less than Video-GMAE's 0.5, because fitted
            Gaussians are small and move over each other where a surface bends.
        backend: back end of splatting. "auto" is the fastest that works on this machine.
        points_per_batch: points processed at once. It limits memory and does not change answers.

    Raises:
        UsageError: a value is out of range.
    """

    grid: int = 32
    window: int = 6
    flow_resolution: int = 128
    variant: Variant = "anchors"
    tau: float = 0.2
    backend: Backend = "auto"
    points_per_batch: int = no_effect(512)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, steps=1, window=2, flow_resolution=8, points_per_batch=1)
        if not 4 <= self.grid <= 64:
            raise UsageError("grid must be between 4 and 64", f"it is {self.grid}")
        if not 0 <= self.tau <= 1:
            raise UsageError("tau must be between 0 and 1", f"it is {self.tau}")


class GaussianFit:
    """Tracks forward in time from each query's frame, by Gaussians that are fitted to the clip alone.

    Windows do not depend on the queries, so all queries share the fitted Gaussians. A point queried inside a window follows its
    Gaussians from there.
    """

    def __init__(self, config: GaussianFitConfig, device: str) -> None:
        self._config, self._device = config, torch.device(device)

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames` (uint8 [T, H, W, 3] RGB); see `vgmae_bench.models.windows.sweep`."""
        config = self._config
        length = even_length(len(frames), config.window)
        size = (config.resolution, config.resolution)
        raster = (config.flow_resolution, config.flow_resolution)
        clip_size = (frames.shape[1], frames.shape[2])
        windows = FrameWindows(frames, length, size, self._device)
        fitted: dict[int, Gaussians] = {}

        def track_window(start: int, xy: torch.Tensor) -> WindowTracks:
            passed = start % (length - 1)
            first = start - passed
            if first not in fitted:
                fitted.clear()  # windows are requested in ascending order
                video = restore(windows[first][0].transpose(0, 1))[: len(frames) - first]
                fitted[first] = fit(grid(video, config.grid), video, config, guess="inertia", backend=config.backend)
            return self._follow(fitted[first], passed, xy)

        scaled = Queries(queries.frame, rescale(queries.xy, clip_size, raster))
        with _one_thread():
            tracks = sweep(len(frames), length, scaled, track_window, self._device)
        return Tracks(xy=rescale(tracks.xy, raster, clip_size), visible=tracks.visible)

    def _follow(self, gaussians: Gaussians, passed: int, xy: torch.Tensor) -> WindowTracks:
        """Track positions xy [M, 2] from frame `passed` of a window to its end."""
        config, switches = self._config, Switches(tau=self._config.tau)
        rest = gaussians._replace(means=gaussians.means[:, passed:], colors=gaussians.colors[:, passed:])
        camera = fixed_camera(config.flow_resolution, config.flow_resolution, like=xy)
        with torch.inference_mode():
            motion = read_motion(rest, camera, switches, config.backend)
            return follow_points(motion, xy, config.variant, switches, config.points_per_batch)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """On a CPU, more threads are not faster here, and sums that they share would change the last digit of scores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def even_length(frames: int, longest: int) -> int:
    """Frames per window, at most `longest`. Windows that overlap by a frame then cover the clip with the least excess."""
    steps = max(frames - 1, 1)
    return math.ceil(steps / math.ceil(steps / (longest - 1))) + 1


def grid(video: torch.Tensor, across: int) -> Gaussians:
    """Static Gaussians (B = 1) for a window [T, H, W, 3] of RGB in [0, 1]: `across`² in the frame, plus a margin.

    They are in the plane through the scene's origin, where the frame is 2 · SCENE_DEPTH world units wide.
    """
    width = 2 * SCENE_DEPTH
    ticks = (torch.arange(-MARGIN, across + MARGIN, device=video.device) + 0.5) / across - 0.5
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    means = torch.stack([x, y, torch.zeros_like(x)], dim=-1).flatten(0, 1) * width
    colors = interpolate(video[:1].permute(0, 3, 1, 2), (across, across), mode="area")
    colors = pad(colors, (MARGIN,) * 4, mode="replicate")[0].permute(1, 2, 0).flatten(0, 1)
    frames, count = len(video), len(means)
    return Gaussians(
        means=means.expand(1, frames, count, 3),
        scales=means.new_full((1, count, 3), OVERLAP * width / across),
        quats=means.new_tensor([1.0, 0.0, 0.0, 0.0]).expand(1, count, 4),
        opacities=means.new_full((1, count), OPACITY),
        colors=colors.expand(1, frames, count, 3),
    )
