"""What official checkpoints hold, found in the object tree that `vgmae_bench.models.torch_file.TorchFile` gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vgmae_bench.errors import UntrustedFileError, WeightsError
from vgmae_bench.models.torch_file import Inert, TensorRef


def state_dict(content: Mapping[Any, Any], path: Path) -> dict[str, TensorRef]:
    """Tensors by the names the file gives them: under `state_dict`, else `model`, else the file itself.

    Raises:
        UntrustedFileError: an object lies where a tensor should.
        WeightsError: there are no tensors.
    """
    state = content.get("state_dict", content.get("model", content))
    if isinstance(state, Mapping):
        for name, value in state.items():
            if isinstance(value, Inert):
                raise UntrustedFileError(f"{path} is not loaded: {name} is a {value.path}, not a tensor")
        if state and all(isinstance(value, TensorRef) for value in state.values()):
            return {str(name): value for name, value in state.items()}
    raise WeightsError(f"{path} holds no state dict", f"its entries are {', '.join(map(str, list(content)[:5]))}")


def without(
    state: Mapping[str, TensorRef], groups: Mapping[str, str]
) -> tuple[dict[str, TensorRef], list[tuple[str, str]]]:
    """Leave out tensors whose names begin with a key of `groups`; also (name, why) of each that was left out."""
    dropped = [(name, why) for name in state for prefix, why in groups.items() if name.startswith(prefix)]
    gone = {name for name, _ in dropped}
    return {name: ref for name, ref in state.items() if name not in gone}, dropped


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
