"""Finds the weights in checkpoints of other projects, however they are wrapped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vgmae_bench.errors import UntrustedFileError, WeightsError
from vgmae_bench.models.checkpoint_file import Inert, read_checkpoint

WRAPPINGS = ("state_dict", "model", "module", "model_state", "model_state_dict")
"""Keys under which checkpoints store a state dict, in search order (Lightning, MAE, DeepSpeed, others)."""
AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "module_ema", "ema")
"""Keys under which they store its moving average (timm and others)."""


def load_checkpoint(path: str | Path, strip: Sequence[str] = ("model.",)) -> dict[str, Tensor]:
    """The weights in a .pt, .pth, .ckpt, .npz or .safetensors file. Nothing in the file is executed.

    Arguments:
        path: the file.
        strip: prefixes to remove if all names have them. Additions of DistributedDataParallel, torch.compile and DeepSpeed are
            always removed.

    Returns:
        Tensors on the CPU by name, from any of `WRAPPINGS`. `AVERAGES` are read only if there is nothing else.

    Raises:
        WeightsError: the file does not exist, is damaged, has no state dict, or has NaN or infinite weights.
        UntrustedFileError: the file names code instead of data.
    """
    path = Path(path)
    tensors = unwrap(state_dict(read_checkpoint(path), path), path, strip)
    require_finite(tensors, path)
    return tensors


def state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """Tensors under the names in the file, without `_extra_state`.

    Raises:
        UntrustedFileError: an entry is an object instead of a tensor.
        WeightsError: there are no tensors.
    """
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds no state dict", f"it holds a {type(content).__name__}")
    wrapped = (content[key] for key in (*WRAPPINGS, *AVERAGES) if isinstance(content.get(key), Mapping))
    state = {str(name): value for name, value in next(wrapped, content).items() if not _is_extra(name)}
    for name, value in state.items():
        if isinstance(value, Inert):
            raise UntrustedFileError(f"{path} is not loaded: {name} is a {value.path}, not a tensor")
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds no state dict", f"its entries are {', '.join(map(str, list(content)[:5]))}")
    return {name: value.detach().clone() for name, value in state.items()}  # copies, so that no tensors share memory


def average_beside(content: Mapping[Any, Any]) -> str | None:
    """The key of a moving average that the file holds in addition to the weights, or None."""
    has_raw = any(isinstance(content.get(key), Mapping) for key in WRAPPINGS)
    return next((key for key in AVERAGES if has_raw and isinstance(content.get(key), Mapping)), None)


def unwrap(state: Mapping[str, Tensor], path: Path, strip: Sequence[str] = ("model.",)) -> dict[str, Tensor]:
    """The tensors under the network's own names, without the prefixes of wrappers.

    Raises:
        WeightsError: two names become equal.
    """
    names = [_without_wrappers(name) for name in state]
    while prefix := next((prefix for prefix in strip if all(name.startswith(prefix) for name in names)), None):
        names = [name.removeprefix(prefix) for name in names]
    if len(set(names)) < len(names):
        raise WeightsError(f"{path} holds two tensors with the same name", "it mixes names with and without prefix")
    return dict(zip(names, state.values(), strict=True))


def require_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise WeightsError if weights are NaN or infinite. The message names the first such tensors."""
    broken = {name: int((~value.isfinite()).sum()) for name, value in tensors.items() if value.is_floating_point()}
    broken = {name: count for name, count in broken.items() if count}
    if broken:
        told = ", ".join(f"{name} ({count} of {tensors[name].numel()})" for name, count in list(broken.items())[:3])
        raise WeightsError(
            f"{path} holds NaN or infinite weights",
            f"in {len(broken)} of {len(tensors)} tensors: {told}",
            try_="an earlier checkpoint of the same training",
        )


def without(state: Mapping[str, Tensor], groups: Mapping[str, str]) -> tuple[dict[str, Tensor], list[tuple[str, str]]]:
    """Remove tensors whose names begin with a key of `groups`. Returns the rest, and (name, reason) of each removed tensor."""
    dropped = [(name, why) for name in state for prefix, why in groups.items() if name.startswith(prefix)]
    gone = {name for name, _ in dropped}
    return {name: value for name, value in state.items() if name not in gone}, dropped


def plain(value: Any, depth: int = 0) -> Any:
    """Containers and OmegaConf nodes as dicts, lists and scalars; None for anything else, and below 20 levels."""
    if depth > 20:
        return None
    if isinstance(value, Inert):
        if not isinstance(value.state, Mapping):
            return None
        inner: Iterable[Any] = [value.state[key] for key in ("_content", "_val") if key in value.state]
        return plain(next(iter(inner), value.state), depth + 1)
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else None


def _is_extra(name: Any) -> bool:
    return str(name).rpartition(".")[2] == "_extra_state"


def _without_wrappers(name: str) -> str:
    """Remove `_orig_mod.` and `_forward_module.` anywhere, but `module.` only at the start, because it is a common name."""
    name = name.replace("_orig_mod.", "").replace("_forward_module.", "")
    while name.startswith("module."):
        name = name.removeprefix("module.")
    return name
