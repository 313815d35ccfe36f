"""Reads checkpoints of other projects without executing anything in them.

A PyTorch checkpoint is a pickle, and unpickling calls whatever the pickle names. `torch.load(weights_only=True)` calls only
what creates tensors. Checkpoints also name harmless classes, for example of settings. Inert objects replace their instances.
All other names are refused.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from vgmae_bench.errors import UntrustedFileError, WeightsError

_LIBRARIES = {"_codecs", "argparse", "collections", "copyreg", "functools", "numpy", "pathlib", "torch", "torchmetrics"}
_LIBRARIES |= {"hydra", "lightning", "lightning_fabric", "omegaconf", "pytorch_lightning", "timm", "typing"}
"""Objects of these libraries become `Inert`. A training's hyper-parameters and callbacks contain them."""

_BUILTINS = {"bool", "bytes", "complex", "dict", "float", "int", "list", "long", "object", "set", "str", "tuple"}
"""Built-in types that OmegaConf stores; they also become `Inert`. Other names of the module can be functions."""


class Inert:
    """Replaces an object of a library. It only records how the object would have been created.

    Attributes:
        path: "module.name" of the object's class.
        args: the arguments of its creation.
        state: the state of its attributes, or None.
    """

    path = ""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        """Store the arguments. Nothing is called."""
        made = super().__new__(cls)
        made.args, made.state = args, None
        return made

    args: tuple[Any, ...]
    state: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing. Some pickles call this, some do not."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_checkpoint(path: Path) -> Any:
    """The content of a .npz, .safetensors or PyTorch file (.pt, .pth, .ckpt or any other suffix).

    Returns:
        A state dict of tensors for .npz and .safetensors. Otherwise the saved object, on the CPU, with `Inert` objects
        instead of those of libraries.

    Raises:
        WeightsError: the file does not exist, is damaged, or has another format.
        UntrustedFileError: the file names code instead of data. Nothing in it was executed.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return _read_npz(path) if path.suffix == ".npz" else _read_torch(path)
    except (UntrustedFileError, WeightsError):
        raise
    except OSError as error:
        raise WeightsError(f"Cannot read the checkpoint {path}", error.strerror or str(error)) from error
    except Exception as error:  # damaged files raise many kinds of errors
        raise WeightsError(f"{path} is not a whole {path.suffix[1:]} file", _first_line(error)) from error


def _read_torch(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"PK":
        _check_archive(path)
        try:
            names = get_unsafe_globals_in_checkpoint(path)
        except Exception as error:  # PyTorch's own reader of archives is stricter than Python's
            raise _not_whole(path, error) from error
        if refused := [name for name in names if not _harmless(name)]:
            raise UntrustedFileError(
                f"{path} is not loaded: it names {refused[0]}, which is not data",
                "such a file can execute code; nothing in it was executed",
            )
    else:
        names = []
    try:
        with safe_globals(_stand_ins(names)), warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged pickles raise many kinds of errors
        if start != b"PK" and "GLOBAL" in str(error):
            raise UntrustedFileError(
                f"{path} is not loaded: it has the format of PyTorch before 1.6, and holds more than tensors",
                "such a file can execute code; nothing in it was executed",
                try_="torch.save of its state dict alone, if you trust the file",
            ) from error
        raise _not_whole(path, error) from error


def _not_whole(path: Path, error: Exception) -> WeightsError:
    """The error for a damaged file, without the unpickler's text, which recommends unsafe loading."""
    told = "" if isinstance(error, pickle.UnpicklingError) else f": {_first_line(error)}"
    return WeightsError(f"{path} is not a whole PyTorch checkpoint", f"reading it gave {type(error).__name__}{told}")


def _check_archive(path: Path) -> None:
    """Compare the archive with its checksums. `torch.load` does not do this."""
    try:
        with zipfile.ZipFile(path) as archive:
            if not any(name.endswith("data.pkl") for name in archive.namelist()):
                raise WeightsError(f"{path} is a zip file, but not a PyTorch checkpoint", "it has no data.pkl")
            if damaged := archive.testzip():
                raise WeightsError(f"{path} is damaged", f"{damaged} in it has another checksum")
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        why = f"the end of the file is missing, or it is damaged: {error}"
        raise WeightsError(f"{path} is not a whole PyTorch checkpoint", why) from error


def _harmless(name: str) -> bool:
    module, _, what = name.rpartition(".")
    return module.partition(".")[0] in _LIBRARIES or (module in ("builtins", "__builtin__") and what in _BUILTINS)


def _stand_ins(names: Iterable[str]) -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    return [
        (_mapping if name == "collections.defaultdict" else type("Inert", (Inert,), {"path": name}), name)
        for name in names
    ]


def _mapping(*_factory: Any) -> dict[Any, Any]:
    """Create a dict instead of a defaultdict."""
    return {}


def _read_npz(path: Path) -> dict[str, torch.Tensor]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
