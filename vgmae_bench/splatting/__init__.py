"""Differentiable Gaussian splatting: `render` and its parts. Back ends: gsplat (CUDA), native (CPU), torch (any device).

Coordinates are raster pixels (x, y); the centre of the first pixel is (0.5, 0.5). The numerics are those of gsplat 1.5.3.
"""

from vgmae_bench.splatting.backends import Status, status
from vgmae_bench.splatting.projection import Projection, project
from vgmae_bench.splatting.rendering import Rendered, composite, render
from vgmae_bench.splatting.weights import weights_at

__all__ = ["Projection", "Rendered", "Status", "composite", "project", "render", "status", "weights_at"]
