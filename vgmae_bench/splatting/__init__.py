"""Differentiable Gaussian splatting: `render` and its parts, on CUDA (gsplat), on the CPU (native), anywhere (torch).

Raster pixels (x, y), pixel centres at +0.5. The numerics are those of gsplat 1.5.3.
"""

from vgmae_bench.splatting.backends import Status, status
from vgmae_bench.splatting.projection import Projection, project
from vgmae_bench.splatting.rendering import Rendered, composite, render
from vgmae_bench.splatting.weights import weights_at

__all__ = ["Projection", "Rendered", "Status", "composite", "project", "render", "status", "weights_at"]
