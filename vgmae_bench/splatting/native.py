"""The native back end: kernel/native.cpp. It is compiled on first use and called through ctypes. CPU, float32.

It uses at most as many threads as torch (`torch.set_num_threads`). The results do not depend on the number of threads.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vgmae_bench.splatting.compiler import compile_library
from vgmae_bench.splatting.projection import Projection

SOURCE = Path(__file__).with_name("kernel") / "native.cpp"

Shape = tuple[int, ...]


def composite(
    projection: Projection, opacities: Tensor, features: Tensor, height: int, width: int, max_alpha: float
) -> tuple[Tensor, Tensor]:
    """Like `vgmae_bench.splatting.composite`, with one leading dimension: features [I, H, W, C] and alpha [I, H, W].

    Raises:
        CompilerError: compilation failed.
        OSError: the compiled library could not be loaded.
    """
    out: tuple[Tensor, Tensor] = _Composite.apply(  # type: ignore[no-untyped-call]  # torch leaves it untyped
        height, width, max_alpha, *projection, opacities, features
    )
    return out


def render(scene: tuple[Tensor, ...], batch: Shape, height: int, width: int, max_alpha: float) -> tuple[Tensor, Tensor]:
    """Like `vgmae_bench.splatting.render`, but without gradients of the camera.

    One call does projection and compositing, forward and backward. Arrays that several images share are not copied.

    Arguments:
        scene: means, quats, scales, opacities, features, viewmat, K, as in `render`.
        batch: the common shape to which the leading dimensions of all arrays broadcast.

    Returns:
        features [*batch, H, W, C] and alpha [*batch, H, W].
    """
    out: tuple[Tensor, Tensor] = _Render.apply(  # type: ignore[no-untyped-call]  # torch leaves it untyped
        batch, height, width, max_alpha, *scene
    )
    return out


class _Sizes(ctypes.Structure):
    _fields_ = [*((name, ctypes.c_int) for name in ("images", "count", "height", "width", "channels"))]
    _fields_ += [("max_alpha", ctypes.c_float)]


class _Cloud(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p)
        for name in ("means", "quats", "scales", "opacities", "features", "viewmats", "Ks", "rows")
    ]


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(compile_library(SOURCE)))
    library.vgmae_composite.argtypes = [ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * 8]
    library.vgmae_composite_backward.argtypes = [ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * 3]
    library.vgmae_render.argtypes = [ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * 3]
    library.vgmae_render_backward.argtypes = [ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * 4]
    library.vgmae_free.argtypes = [ctypes.c_void_p]
    library.vgmae_composite.restype = library.vgmae_render.restype = ctypes.c_void_p
    library.vgmae_composite_backward.restype = library.vgmae_render_backward.restype = None
    library.vgmae_free.restype = None
    return library


class _State:
    """Memory of a forward pass that the backward pass needs. It is freed with this object."""

    def __init__(self, address: int) -> None:
        self.address, self._free = address, _library().vgmae_free

    def __del__(self) -> None:
        self._free(self.address)


def _pointer(array: Tensor | None) -> int | None:
    return None if array is None else array.data_ptr()


def _pointers(arrays: list[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(arrays))(*(array.data_ptr() for array in arrays))


@lru_cache(maxsize=64)
def _rows(batch: Shape, *shapes: Shape) -> Tensor:
    """int32 [arrays, I]: the row of each array (leading dimensions flattened) that each image uses."""
    leading = [shape[:-last] for shape, last in zip(shapes, (2, 2, 2, 1, 2, 2, 2), strict=True)]
    rows = [np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), batch).reshape(-1) for shape in leading]
    return torch.from_numpy(np.stack(rows).astype(np.int32))


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, height: int, width: int, max_alpha: float, *arrays: Tensor) -> tuple[Tensor, Tensor]:
        means2d, conics, *_, opacities, features = inputs = [array.contiguous() for array in arrays]
        images, count, channels = features.shape
        out = features.new_empty(images, height, width, channels)
        out_alpha = features.new_empty(images, height, width)
        sizes = _Sizes(images, count, height, width, channels, max_alpha)
        pointers = [array.data_ptr() for array in (*inputs, out, out_alpha)]
        ctx.state = _State(_library().vgmae_composite(ctypes.byref(sizes), torch.get_num_threads(), *pointers))
        ctx.save_for_backward(means2d, conics, opacities, features)  # for their shapes; the state holds their values
        ctx.set_materialize_grads(False)
        return out, out_alpha

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, grad_alpha: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None and grad_alpha is None:
            return (None,) * 9
        inputs = ctx.saved_tensors
        grad, grad_alpha = _outer(grad, grad_alpha, inputs[3].shape[-1])
        grads = [torch.zeros(array.shape) for array in inputs]
        arguments = (_pointer(grad), _pointer(grad_alpha), _pointers(grads))
        _library().vgmae_composite_backward(ctx.state.address, torch.get_num_threads(), *arguments)
        return (*[None] * 3, *grads[:2], None, None, *grads[2:])


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, batch: Shape, height: int, width: int, max_alpha: float, *scene: Tensor
    ) -> tuple[Tensor, Tensor]:
        inputs = [array.contiguous() for array in scene]
        rows, features = _rows(batch, *(array.shape for array in inputs)), inputs[4]
        images, (count, channels) = math.prod(batch), features.shape[-2:]
        out = features.new_empty(*batch, height, width, channels)
        out_alpha = features.new_empty(*batch, height, width)
        sizes = _Sizes(images, count, height, width, channels, max_alpha)
        cloud = _Cloud(*(array.data_ptr() for array in (*inputs, rows)))
        pointers = (ctypes.byref(cloud), out.data_ptr(), out_alpha.data_ptr())
        ctx.state = _State(_library().vgmae_render(ctypes.byref(sizes), torch.get_num_threads(), *pointers))
        ctx.save_for_backward(*inputs)
        ctx.rows = rows
        ctx.set_materialize_grads(False)
        return out, out_alpha

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, grad_alpha: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None and grad_alpha is None:
            return (None,) * 11
        inputs = ctx.saved_tensors
        grad, grad_alpha = _outer(grad, grad_alpha, inputs[4].shape[-1])
        cloud = _Cloud(*(array.data_ptr() for array in (*inputs, ctx.rows)))
        grads = [torch.zeros_like(array) for array in inputs[:5]]
        arguments = (ctypes.byref(cloud), _pointer(grad), _pointer(grad_alpha), _pointers(grads))
        _library().vgmae_render_backward(ctx.state.address, torch.get_num_threads(), *arguments)
        return (*[None] * 4, *grads, None, None)


def _outer(grad: Tensor | None, grad_alpha: Tensor | None, channels: int) -> tuple[Tensor, Tensor | None]:
    """The gradients of both outputs in the form that the kernel reads. That of alpha may be None, that of features not."""
    if grad is None:
        assert grad_alpha is not None
        grad = grad_alpha.new_zeros(*grad_alpha.shape, channels)
    return grad.contiguous(), None if grad_alpha is None else grad_alpha.contiguous()
