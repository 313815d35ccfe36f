"""The native back end: native.cpp, compiled on first use, called through ctypes. CPU, float32.

Its results do not depend on the number of threads, which is torch's (`torch.set_num_threads`).
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vgmae_bench.splatting.compiler import compile_library
from vgmae_bench.splatting.projection import Projection

SOURCE = Path(__file__).with_name("native.cpp")


def composite(
    projection: Projection, opacities: Tensor, features: Tensor, height: int, width: int, max_alpha: float
) -> tuple[Tensor, Tensor]:
    """As `vgmae_bench.splatting.composite`, for one leading dimension: features [I, H, W, C] and alpha [I, H, W].

    Raises:
        CompilerError: it could not be compiled.
        OSError: what was compiled could not be loaded.
    """
    means2d, conics, depths, radii = projection
    out: tuple[Tensor, Tensor] = _Native.apply(  # type: ignore[no-untyped-call]  # torch leaves it untyped
        means2d, conics, opacities, features, depths, radii, height, width, max_alpha
    )
    return out


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(compile_library(SOURCE)))
    numbers: list[Any] = [ctypes.c_int] * 5 + [ctypes.c_float, ctypes.c_int]
    library.vgmae_forward.argtypes = [*numbers, *[ctypes.c_void_p] * 8]
    library.vgmae_backward.argtypes = [*numbers, *[ctypes.c_void_p] * 12]
    library.vgmae_forward.restype = library.vgmae_backward.restype = None
    return library


def _pointers(*arrays: Tensor | None) -> list[int | None]:
    return [None if array is None else array.data_ptr() for array in arrays]


class _Native(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        means2d: Tensor,
        conics: Tensor,
        opacities: Tensor,
        features: Tensor,
        depths: Tensor,
        radii: Tensor,
        height: int,
        width: int,
        max_alpha: float,
    ) -> tuple[Tensor, Tensor]:
        inputs = [array.contiguous() for array in (means2d, conics, depths, radii, opacities, features)]
        images, count, channels = features.shape
        out = features.new_empty(images, height, width, channels)
        out_alpha = features.new_empty(images, height, width)
        numbers = (images, count, height, width, channels, max_alpha)
        _library().vgmae_forward(*numbers, torch.get_num_threads(), *_pointers(*inputs, out, out_alpha))
        ctx.save_for_backward(*inputs)
        ctx.numbers = numbers
        ctx.set_materialize_grads(False)
        return out, out_alpha

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, grad_alpha: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        means2d, conics, _, _, opacities, features = inputs
        images, _, height, width, channels, _ = ctx.numbers
        grad = means2d.new_zeros(images, height, width, channels) if grad is None else grad.contiguous()
        grad_alpha = None if grad_alpha is None else grad_alpha.contiguous()
        grads = [torch.zeros_like(array) for array in (means2d, conics, opacities, features)]
        pointers = _pointers(*inputs, grad, grad_alpha, *grads)
        _library().vgmae_backward(*ctx.numbers, torch.get_num_threads(), *pointers)
        return (*grads, *[None] * 5)
