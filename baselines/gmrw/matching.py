"""The frames of a clip, and the flow between any two of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.devices import piece_bytes, to_device
from vgmae_bench.models.nn import imagenet_statistics

from .checkpoint import InputRange, Upsample
from .flow import Flow, FlowMap, FlowRows, Flows
from .lattice import FlowGrid, Lattice, PixelConvention
from .network import GMRW
from .readout import Method, Precision, Readout

ReadoutBy = Literal["attention", "dense", "rows"]


@dataclass(frozen=True)
class Matching:
    """Settings of computing and reading flow.

    Attributes:
        input_range, upsample: see `vgmae_baselines.gmrw.checkpoint.Inference`.
        flow_grid, pixel_convention: see `vgmae_baselines.gmrw.lattice.Lattice`.
        method, radius, precision: see `vgmae_baselines.gmrw.readout.Readout`.
        by: "attention" computes the flow of all cells from some rows of the transition matrix at a time, "dense" from the whole
            matrix. "rows" computes it only in the cells around requested points.
        chunk_bytes: memory limit for rows of the matrix, and for hidden values of the network's MLPs; None: on the CPU the
            size of a frame's features, which is fastest; on a GPU what fits.
        cache_bytes: memory limit for cached features; at least those of two frames are cached. Others are computed again.
    """

    input_range: InputRange
    upsample: Upsample
    flow_grid: FlowGrid
    pixel_convention: PixelConvention
    method: Method = "weighted_sum"
    radius: float = 5.0
    precision: Precision = "fp32"
    by: ReadoutBy = "attention"
    chunk_bytes: int | None = None
    cache_bytes: int = 0


class Matcher:
    """Flow between the frames of a clip.

    Arguments:
        network: in evaluation mode, on the device of the computation.
        frames: uint8 [T, H, W, 3] RGB.
        matching: settings.
    """

    def __init__(self, network: GMRW, frames: npt.NDArray[np.uint8], matching: Matching) -> None:
        self._network, self._frames, self._matching = network, frames, matching
        self._device = next(network.parameters()).device
        self._features: OrderedDict[int, Tensor] = OrderedDict()
        self._piece = None if self._device.type == "cpu" else piece_bytes(self._device)

    def flows(self, a: int, b: int) -> Flows:
        """Flow from frame `a` to frame `b` and back, from one pass of the network."""
        matching, config = self._matching, self._network.config
        features = self._frame_features(a), self._frame_features(b)
        chunk = matching.chunk_bytes or self._piece or features[0].nbytes
        token_bytes = 2 * 2 * config.feature_channels * config.ffn_expansion * features[0].element_size()
        fa, fb = self._network.match(*features, tokens_at_once=max(1, chunk // token_bytes))
        size, grid = (self._frames.shape[1], self._frames.shape[2]), (fa.shape[2], fa.shape[3])
        lattice = Lattice(size, grid, matching.upsample, matching.flow_grid, matching.pixel_convention)
        at_once = None if matching.by == "dense" else chunk
        readout = Readout(matching.method, matching.radius, matching.precision, at_once)
        read = FlowRows if matching.by == "rows" else FlowMap.read
        there: Flow = read(fa, fb, config.temperature, readout, lattice)
        back: Flow = read(fb, fa, config.temperature, readout, lattice)
        return Flows(there, back)

    def _frame_features(self, t: int) -> Tensor:
        """Features [1, C, h, w] of a frame, from the cache if they are there."""
        if t not in self._features:
            frame = to_device(torch.from_numpy(self._frames[t]), self._device)
            image = prepare(frame, self._matching.upsample, self._matching.input_range)
            self._features[t] = self._network.backbone_features(image)
        features = self._features[t]
        self._features.move_to_end(t)
        while len(self._features) > max(2, self._matching.cache_bytes // features.nbytes):
            self._features.popitem(last=False)
        return features


def prepare(frame: Tensor, upsample: int, input_range: InputRange) -> Tensor:
    """uint8 [H, W, 3] RGB → float32 [1, 3, H', W']: enlarged (bilinear, align_corners), then normalised.

    The range "official" applies the statistics of images in [0, 1] to images in [0, 255].
    """
    image = frame.permute(2, 0, 1)[None].float()
    if input_range == "correct":
        image = image / 255
    if upsample > 1:
        size = [upsample * side for side in image.shape[2:]]
        image = F.interpolate(image, size, mode="bilinear", align_corners=True)
    mean, std = imagenet_statistics(image)
    return (image - mean) / std
