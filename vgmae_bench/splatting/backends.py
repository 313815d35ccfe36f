"""Chooses the back end that renders, from the request, the machine and the tensors."""

from __future__ import annotations

import logging
from functools import cache
from typing import Literal, NamedTuple, get_args

import torch

from vgmae_bench.errors import UsageError, UserError
from vgmae_bench.plugins import suggestion
from vgmae_bench.splatting import cuda, native
from vgmae_bench.splatting.compiler import CompilerError
from vgmae_bench.splatting.projection import Projection

Name = Literal["gsplat", "native", "torch"]
NAMES: tuple[Name, ...] = get_args(Name)
_log = logging.getLogger(__name__)


class Status(NamedTuple):
    """Whether a back end is usable on this machine, and one line of detail (version, or the reason why not)."""

    usable: bool
    detail: str


def status() -> dict[Name, Status]:
    """Try every back end: render one Gaussian. The first call compiles the back ends that need compilation."""
    return {name: _try(name) for name in NAMES}


def choose(backend: str, device: torch.device, dtype: torch.dtype, max_alpha: float) -> Name:
    """The back end to use. "auto" means gsplat on CUDA and native on the CPU. If these cannot render this, it means torch.

    Raises:
        UsageError: there is no such back end, or it does not support this device, dtype or max_alpha.
        UserError: the back end does not work on this machine.
    """
    if backend == "auto":
        return _best(device, dtype, max_alpha)
    if backend not in NAMES:
        raise UsageError(f'There is no splatting back end "{backend}"', suggestion(backend, ["auto", *NAMES]))
    name: Name = next(known for known in NAMES if known == backend)
    if reason := _misfit(name, device, dtype, max_alpha):
        raise UsageError(
            f"The {name} back end cannot render this", reason, try_="the torch back end, which supports everything"
        )
    if not _try(name).usable:
        raise UserError(
            f"The {name} back end does not work on this machine", _try(name).detail, try_="vgmae-bench doctor"
        )
    return name


def _best(device: torch.device, dtype: torch.dtype, max_alpha: float) -> Name:
    wanted: Name = "gsplat" if device.type == "cuda" else "native"
    if _misfit(wanted, device, dtype, max_alpha):
        return "torch"
    if not _try(wanted).usable:
        _warn_once(wanted)
        return "torch"
    return wanted


def _misfit(name: Name, device: torch.device, dtype: torch.dtype, max_alpha: float) -> str:
    """The reason why a back end never supports these arguments, on any machine; or an empty string."""
    if name == "torch":
        return ""
    needed = "cuda" if name == "gsplat" else "cpu"
    if device.type != needed:
        return f"it works on {needed}, the tensors are on {device.type}"
    if dtype != torch.float32:
        return f"it works in float32, the tensors are {str(dtype).removeprefix('torch.')}"
    if name == "gsplat" and _try(name).usable and max_alpha != cuda.max_alpha():
        return f"the installed gsplat has a max_alpha of {cuda.max_alpha()}, not {max_alpha}"
    return ""


@cache
def _try(name: Name) -> Status:
    if name == "torch":
        return Status(True, f"torch {torch.__version__}, any device, float32 and float64")
    try:
        if name == "native":
            _probe_native()
            return Status(True, "compiled for this processor, float32")
        cuda.probe()
        return Status(True, f"{torch.cuda.get_device_name()}, float32, max_alpha {cuda.max_alpha()}")
    except (CompilerError, OSError) as error:
        return Status(False, str(error))
    except Exception as error:  # gsplat fails in many ways: no toolkit, wrong architecture, missing sources, …
        return Status(False, f"{type(error).__name__}: {error}".splitlines()[0])


@cache
def _warn_once(name: Name) -> None:
    _log.warning("Splatting falls back to the slower torch back end: %s does not work (%s)", name, _try(name).detail)


def _probe_native() -> None:
    projection = Projection(
        means2d=torch.tensor([[[2.5, 1.5]]]),
        conics=torch.tensor([[[1.0, 0.0, 1.0]]]),
        depths=torch.ones(1, 1),
        radii=torch.full((1, 1, 2), 4, dtype=torch.int32),
    )
    out, alpha = native.composite(projection, torch.full((1, 1), 0.5), torch.full((1, 1, 1), 2.0), 3, 5, 0.999)
    if abs(float(out[0, 1, 2, 0]) - 1) > 1e-5 or abs(float(alpha[0, 1, 3]) - 0.30326533) > 1e-5:
        raise RuntimeError("the compiled library renders a single Gaussian wrongly")
