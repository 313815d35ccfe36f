"""The tracker `gmrw`: its network matches frames, and points follow the expected flow."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from vgmae_bench.devices import to_device
from vgmae_bench.errors import UsageError
from vgmae_bench.resizing import resize_frames
from vgmae_bench.settings import no_effect, positive
from vgmae_bench.training.recipe import untrained
from vgmae_bench.types import Queries, Size, Tracks, rescale

from .checkpoint import Inference, InputRange, Model, Upsample, load_model
from .flow import Flows
from .follow import FlowsBetween, Points, chain, direct
from .lattice import FlowGrid, PixelConvention
from .matching import Matcher, Matching, ReadoutBy
from .network import GMRW, SIZES, STRIDE, NetworkConfig
from .readout import Method, Precision

THRESHOLD_RASTER = 256
"""Side in pixels of the frames to which `GMRWConfig.threshold` refers."""

SMALLEST = 8
"""Smallest side of a frame in pixels."""

CELLS_READ = 4
"""Number of cells from which the flow at a point is interpolated."""

Occlusion = Literal["cycle", "inside"]
Preset = Literal["default", "official"]


@dataclass(frozen=True)
class Switches:
    """Every point where the released code (ayshrv/gmrw bf832bd) and our choice differ in tracking.

    Attributes:
        input_range: see `vgmae_baselines.gmrw.checkpoint.Inference`; None: the weights' default.
        readout: `by` of `vgmae_baselines.gmrw.matching.Matching`; "auto": the cheaper one, see
            `cheaper_readout`. All give the same answers, so the released code's "dense", which
            takes 16 GiB at upsample 4, is not in any preset.
        readout_dtype: "official_fp16": half precision on grids of 256×256 cells or more. It rounds positions beyond cell 128 to
            eighths of a cell.
        flow_grid, pixel_convention: see `vgmae_baselines.gmrw.lattice.Lattice`.
        direct_occlusion: in direct tracking, a point is hidden if the flow forth and back does not return ("cycle"), or only
            if it leaves the frame ("inside").
    """

    input_range: InputRange | None = None
    readout: ReadoutBy | Literal["auto"] = "auto"
    readout_dtype: Precision = "fp32"
    flow_grid: FlowGrid = "cell_center"
    pixel_convention: PixelConvention = "raster"
    direct_occlusion: Occlusion = "cycle"


PRESETS: dict[Preset, Switches] = {
    "default": Switches(),
    "official": Switches(
        input_range="official",
        readout_dtype="official_fp16",
        flow_grid="official",
        pixel_convention="index",
        direct_occlusion="inside",
    ),
}


@dataclass(frozen=True)
class GMRWConfig:
    """Settings of the tracker.

    Attributes:
        size: size of the random network that is used without weights.
        tracking: "chained" follows the flow from frame to frame (GMRW-C). "direct" matches the query's frame with every other
            frame (GMRW-D), with one pass per pair.
        upsample: factor by which frames are enlarged before matching. 1, 2 and 4 are the paper's evaluation strides 4, 2 and 1.
            None: the weights' default; it is 4 for imported official weights, as in the published tables. The cost of attention
            grows with the fourth power.
        short_side: first reduce larger frames to this many pixels along their shorter side; 0: never. None: the weights'
            default; official weights do not reduce frames.
        preset: the values of the options below that are None (`Switches`).
        input_range: normalise images in [0, 1] ("correct"), or images in [0, 255] with the same statistics ("official").
        readout: computation of the flow: for all cells in chunks ("attention"), with the whole matrix ("dense"), only around
            points ("rows"), or the cheaper of the first and the last ("auto"). Tracks differ by rounding only.
        readout_dtype: single precision ("fp32"), or half precision on grids of 256×256 cells or more ("official_fp16").
        flow_grid: cell centres as the network's strides imply ("cell_center"), or stretched to the border ("official").
        pixel_convention: pixel centres at +0.5 ("raster"), or positions as pixel indices ("index").
        direct_occlusion: in direct tracking, hide points whose backward flow does not return ("cycle"), or only points
            outside the frame ("inside").
        method: position of the best match: mean of all cells ("weighted_sum"), mean around the likeliest cell
            ("weighted_argmax"), or the likeliest cell ("argmax"). None: the weights' default.
        radius: for "weighted_argmax", radius of the mean in cells. None: the weights' default.
        threshold: a step is reliable if forward and backward flow miss its start by less than this, in pixels of 256×256
            frames. For other frames it scales with the square root of the area.
        chunk_mb: memory limit in MiB for rows of the transition matrix, and for hidden values of the MLPs; None: on the CPU the
            size of a frame's features, on a GPU what fits (`vgmae_bench.devices.piece_bytes`). Answers differ by rounding only.
        cache_mb: memory limit in MiB for features of frames that are needed again. Others are computed again.

    Raises:
        UsageError: a value is out of range.
    """

    size: Literal["tiny", "released"] = "tiny"
    tracking: Literal["chained", "direct"] = "chained"
    upsample: Upsample | None = None
    short_side: int | None = None
    preset: Preset = "default"
    input_range: InputRange | None = None
    readout: ReadoutBy | Literal["auto"] | None = None
    readout_dtype: Precision | None = None
    flow_grid: FlowGrid | None = None
    pixel_convention: PixelConvention | None = None
    direct_occlusion: Occlusion | None = None
    method: Method | None = None
    radius: float | None = None
    threshold: float = 3.0
    chunk_mb: int | None = no_effect(None)
    cache_mb: int = no_effect(512)

    def __post_init__(self) -> None:
        positive(self, "threshold", "chunk_mb", "cache_mb", "radius")
        if self.short_side and self.short_side < SMALLEST:
            raise UsageError(f"short_side must be at least {SMALLEST} pixels, or 0", f"it is {self.short_side}")

    @property
    def switches(self) -> Switches:
        """The switches of the preset, replaced by those that are set here."""
        names = [field.name for field in fields(Switches)]
        changes = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(PRESETS[self.preset], **changes)

    def matching(self, inference: Inference, by: ReadoutBy = "attention") -> Matching:
        """The settings of matching for weights with this default use.

        Arguments:
            by: `by` of `Matching` if the settings have "auto".

        Raises:
            UsageError: neither the weights nor the user specify the input range.
        """
        switches = self.switches
        input_range = switches.input_range or inference.input_range
        if input_range is None:
            raise UsageError(
                "These weights do not say how frames are normalised",
                "they were trained on images in [0, 1], and published with a test script that feeds [0, 255]; "
                "a comparison should show both",
                try_="--set input_range=correct, or --set preset=official for the procedure as released",
            )
        by = by if switches.readout == "auto" else switches.readout
        one_sweep = self.tracking == "chained" and by != "rows"  # then each frame is needed for two pairs
        return Matching(
            input_range=input_range,
            upsample=self.upsample or inference.upsample,
            flow_grid=switches.flow_grid,
            pixel_convention=switches.pixel_convention,
            method=self.method or inference.method,
            radius=self.radius or inference.radius,
            precision=switches.readout_dtype,
            by=by,
            chunk_bytes=None if self.chunk_mb is None else self.chunk_mb << 20,
            cache_bytes=0 if one_sweep else self.cache_mb << 20,
        )


class GMRWTracker:
    """Tracks forward and backward from each query's frame.

    Without weights the network is random and depends on `seed` alone; `note` says so.

    Arguments:
        config: settings.
        weights: a file of GMRW weights, a model whose network is used directly, or None.
        device: any device name of torch.
        seed: seed of random weights.

    Raises:
        WeightsError: the file is damaged, or holds other weights.
        UsageError: see `GMRWConfig.matching`.
    """

    def __init__(self, config: GMRWConfig, weights: Path | Model | None, device: str, seed: int) -> None:
        self.note = "random weights" if weights is None else ""
        if weights is None:
            weights = Model(untrained(lambda: GMRW(SIZES[config.size]), seed), Inference(), None)
        network, inference, _ = weights if isinstance(weights, Model) else load_model(weights)
        config.matching(inference)  # raises its error now
        self._config, self._inference = config, inference
        self._short_side = (inference.short_side if config.short_side is None else config.short_side) or None
        self._device = torch.device(device)
        self._network = network.to(self._device)

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """Track `queries` through `frames` (uint8 [T, H, W, 3] RGB) in both directions.

        Raises:
            UsageError: the frames are too small for matching.
        """
        size = (frames.shape[1], frames.shape[2])
        if min(size) < SMALLEST:
            raise UsageError(f"gmrw needs frames of at least {SMALLEST}×{SMALLEST} pixels", f"they are {size}")
        small = _shrunk(size, self._short_side)
        if small != size:
            tracks = self._track(resize_frames(frames, small), replace(queries, xy=rescale(queries.xy, size, small)))
            return replace(tracks, xy=rescale(tracks.xy, small, size))
        return self._track(frames, queries)

    def _track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        size = (frames.shape[1], frames.shape[2])
        config = self._config
        tolerance = config.threshold * math.sqrt(size[0] * size[1]) / THRESHOLD_RASTER
        points = Points(queries.frame, to_device(torch.from_numpy(queries.xy), self._device))
        upsample = config.upsample or self._inference.upsample
        cells = math.prod(math.ceil(side * upsample / STRIDE) for side in size)
        last = int(queries.frame.max(initial=0))
        again = last / max(1, len(frames) - 1) if config.tracking == "chained" else 0.0
        by = cheaper_readout(self._network.config, cells, len(queries), again)
        matching = config.matching(self._inference, by)
        flows: FlowsBetween = Matcher(self._network, frames, matching).flows
        with torch.inference_mode():
            if config.tracking == "direct":
                if config.switches.direct_occlusion == "inside":
                    tolerance = math.inf
                paths = direct(flows, len(frames), points, size, tolerance)
            else:
                if matching.by != "rows":
                    flows = _kept(flows, last)
                paths = chain(flows, len(frames), points, size, tolerance)
        return Tracks(xy=paths.xy.cpu().numpy(), visible=paths.visible.cpu().numpy())


def cheaper_readout(network: NetworkConfig, cells: int, points: int, again: float) -> ReadoutBy:
    """The cheaper way to read flow, by the number of products: rows for the points only, or flow of all cells.

    The flow of all cells is computed once for both directions. Rows belong to points, so pairs of frames that points cross in
    both directions go through the transformer twice.

    Arguments:
        cells: number of cells of a frame.
        again: share of the pairs of frames that points cross in both directions.
    """
    C = network.feature_channels
    token = (
        4 * C * cells / network.splits**2 + (8 + 6 * network.ffn_expansion) * C**2
    )  # attention twice, linear maps, MLP
    transformer = 2 * cells * network.layers * token
    few = CELLS_READ * points < cells
    return "rows" if few and again * transformer < 2 * cells**2 * (C + 2) else "attention"


def _shrunk(size: Size, short_side: int | None) -> Size:
    """The size (height, width) after reducing the shorter side to at most `short_side`, with the same aspect ratio."""
    scale = min(1.0, short_side / min(size)) if short_side else 1.0
    return round(size[0] * scale), round(size[1] * scale)


def _kept(flows: FlowsBetween, before: int) -> FlowsBetween:
    """Cache flow from frames before `before`, because points follow it in both directions."""
    known: dict[tuple[int, int], Flows] = {}

    def remembered(a: int, b: int) -> Flows:
        if (a, b) in known:
            return known[a, b]
        made = flows(a, b)
        if a < before:
            known[a, b] = made
        return made

    return remembered
