"""A pretended device: tensors on it are computed on the CPU, and everything that a real device would make wait is noted.

There is no device to test on. What costs time on one can be found out without it: each time the host asks for a value that
the device computes, or copies to it from memory that the device cannot read by itself, the host waits until the device has
done all work given so far.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from vgmae_bench.splatting import backends, cuda, project, weights_at

DEVICE = "lazy"
"""A device type of torch without a back end in the usual builds. Backward passes run on it, too."""

_ROOT = Path(__file__).parents[2]
_READS = {
    "_local_scalar_dense", "is_nonzero", "equal", "allclose", "nonzero", "masked_select", "_unique2", "unique_dim",
    "unique_consecutive", "bincount", "repeat_interleave", "_linalg_check_errors",
}  # fmt: skip
"""Operations whose result, or the size of it, the host must know at once."""


class _Pretended(Tensor):
    """A tensor that says that it is on `DEVICE`. Its values are in `inner`, on the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Self:
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(DEVICE),
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} on the pretended device, outside its `with` block")


class PretendedDevice(TorchDispatchMode):
    """Computes with tensors on `DEVICE`, and counts what would wait.

    Attributes:
        waits: how often, by "what: place", such as "_local_scalar_dense: vgmae_bench/models/windows.py on_tiles". The place
            is that of the innermost function of the product.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self._pinned: set[int] = set()
        self._alive: list[Tensor] = []

    def __enter__(self) -> Self:
        self._lifted = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        torch._C._set_only_lift_cpu_tensors(self._lifted)
        super().__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func.overloadpacket.__name__
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        here = [tensor for tensor in given if isinstance(tensor, _Pretended)]
        target = kwargs.get("device")
        there = bool(here) if target is None else torch.device(target).type == DEVICE
        if there and target is not None:
            kwargs["device"] = torch.device("cpu")
        self._judge(name, given, here, there, args, kwargs)
        plain = tree_map_only(_Pretended, lambda tensor: tensor.inner, (args, kwargs))
        if name in ("pin_memory", "_pin_memory"):
            made = plain[0][0].clone()
            self._pinned.add(id(made))
            self._alive.append(made)  # so that no other tensor gets its id
            return made
        if name == "is_pinned":
            return id(args[0]) in self._pinned
        out = func(*plain[0], **plain[1])
        if not there:
            return out
        if name == "_to_copy" and any(out is tensor.inner for tensor in here):
            out = out.clone()
        known = {id(tensor.inner): tensor for tensor in here}  # operations in place return what they were given
        return tree_map_only(Tensor, lambda made: known[id(made)] if id(made) in known else _Pretended(made), out)

    def _judge(self, name: str, given: list[Tensor], here: list[Tensor], there: bool, args: Any, kwargs: Any) -> None:
        if name in ("_to_copy", "copy_"):
            if name == "copy_":
                there = isinstance(args[0], _Pretended)
                leaves = not there and isinstance(args[1], _Pretended)
                comes = there and not isinstance(args[1], _Pretended)
                value, free = args[1], kwargs.get("non_blocking") or (len(args) > 2 and args[2])
            else:
                leaves, comes = bool(here) and not there, there and not here
                value, free = args[0], kwargs.get("non_blocking")
            if leaves:
                self._note("to the host")
            elif comes and not (free and id(value) in self._pinned):
                self._note("from pageable memory")
            return
        if not here:
            return
        if name in _READS:
            self._note(name)
        elif name.startswith(("index", "_index", "_unsafe_index")):
            places = [part for value in args[1:] if isinstance(value, list | tuple) for part in value]
            if any(isinstance(part, Tensor) and part.dtype == torch.bool for part in places):
                self._note(f"{name} by a mask")
            elif any(isinstance(part, Tensor) and not isinstance(part, _Pretended) for part in places):
                self._note(f"{name} by numbers of the host")
        elif any(tensor.dim() and not isinstance(tensor, _Pretended) for tensor in given):
            raise RuntimeError(f"{name} of tensors on the device and on the host, in {_place()}")

    def _note(self, what: str) -> None:
        self.waits[f"{what}: {_place()}"] += 1


def _place() -> str:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT / "vgmae_bench") or path.is_relative_to(_ROOT / "baselines"):
            return f"{path.relative_to(_ROOT)} {frame.f_code.co_name} {frame.f_lineno}"
        frame = frame.f_back
    return "the test"


def _render(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    features: Tensor,
    viewmat: Tensor,
    K: Tensor,
    *,
    height: int,
    width: int,
) -> tuple[Tensor, Tensor]:
    """Like `vgmae_bench.splatting.cuda.render`: every Gaussian at every pixel."""
    x, y = (torch.arange(side, device=means.device) + 0.5 for side in (width, height))
    pixels = torch.cartesian_prod(y, x).flip(1)
    weights = weights_at(project(means, quats, scales, viewmat, K, height, width), opacities, pixels)
    shape = (len(means), height, width)
    return (weights @ features).view(*shape, -1), weights.sum(-1).view(shape)


@contextmanager
def pretended() -> Iterator[PretendedDevice]:
    """A `with` block in which `DEVICE` can be used, with a renderer that does not wait, as gsplat.

    Automatic precision and inference mode, which cannot wrap tensors, are left out.
    """
    with pytest.MonkeyPatch.context() as patch, PretendedDevice() as device:
        patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
        patch.setattr(torch, "inference_mode", lambda mode=True: torch.no_grad() if mode else nullcontext())
        patch.setattr(backends, "_best", lambda *_: "gsplat")
        patch.setattr(cuda, "render", _render)
        yield device
