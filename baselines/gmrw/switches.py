"""Switches for every point where the released code and our choice differ in tracking with GMRW, and two presets.

Source: the behaviour of ayshrv/gmrw bf832bd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .checkpoint import InputRange
from .lattice import FlowGrid, PixelConvention
from .matching import ReadoutBy
from .readout import Precision

Occlusion = Literal["cycle", "inside"]
Preset = Literal["default", "official"]


@dataclass(frozen=True)
class Switches:
    """Settings of tracking with matched features.

    Attributes:
        input_range: see `vgmae_baselines.gmrw.checkpoint.Inference`; None: the weights' default.
        readout: `by` of `vgmae_baselines.gmrw.matching.Matching`; "auto": the cheaper one, see
            `vgmae_baselines.gmrw.tracker.cheaper_readout`. All give the same answers, so the released code's "dense", which
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
