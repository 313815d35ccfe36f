"""Weights files: safetensors with the configuration inside. Nothing in them can be executed.

The metadata has `format` ("vgmae-bench/1"), `kind` (the kind of model) and `config`: JSON with one object per configuration
dataclass, and "source", the origin of the weights.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vgmae_bench.config import Json, build, to_json
from vgmae_bench.errors import StorageError, UsageError, WeightsError
from vgmae_bench.files import write_atomically

FORMAT = "vgmae-bench/1"

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


class Weights(NamedTuple):
    """The content of a weights file.

    Attributes:
        kind: the kind of model.
        config: JSON by name: for most models one object per configuration dataclass, and "source".
        tensors: the model's state dict.
        path: the file.
    """

    kind: str
    config: dict[str, Json]
    tensors: dict[str, Tensor]
    path: Path

    def section(self, name: str, config_class: type[T], *, optional: bool = False) -> T:
        """The dataclass of this name in the configuration.

        Arguments:
            optional: if the configuration has no such object, the result has the defaults of the dataclass.

        Raises:
            WeightsError: the configuration has no such object, or the object has unknown or wrong values.
        """
        section = self.config.get(name, {} if optional else None)
        try:
            if isinstance(section, dict):
                return build(config_class, section, owner=name)
            why = f'there is no "{name}" in its metadata'
        except UsageError as error:
            why = error.reason
        raise WeightsError(f"{self.path} does not describe its network", why)

    def network(self, make: Callable[[], M]) -> M:
        """The network from `make` with these weights, in evaluation mode on the CPU. Raises WeightsError like `load_into`."""
        with torch.device("meta"):  # no initialisation, because the weights replace all values
            network = make()
        load_into(network, self.tensors, source=str(self.path))
        return network.eval()


def save_weights(path: Path, tensors: Mapping[str, Tensor], kind: str, config: Mapping[str, Any]) -> None:
    """Write a weights file atomically. Equal arguments give equal bytes, and so the same digest in the keys of runs.

    Arguments:
        path: the file. Missing parent folders are created.
        tensors: a state dict.
        kind: the kind of model.
        config: dataclasses and plain values by name. `load_weights` returns them as JSON values.

    Raises:
        StorageError: the file cannot be written.
    """
    metadata = {"format": FORMAT, "kind": kind, "config": json.dumps(to_json(dict(config)), sort_keys=True)}
    packed = {name: value.contiguous() for name, value in tensors.items()}

    def write(temporary: Path) -> None:
        temporary.touch()
        usual = temporary.stat().st_mode  # safetensors creates files that other users cannot read
        save_file(packed, temporary, metadata)
        temporary.chmod(usual)
        _order_metadata(temporary, metadata)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write)
    except (OSError, SafetensorError, StorageError) as error:
        why = error.why if isinstance(error, StorageError) else str(error)
        raise StorageError(f"The weights could not be written to {path}", why) from error


def _order_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    """Write the metadata of a safetensors file in this order. The library's order changes from call to call."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size)) | {"__metadata__": metadata}
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= size:  # otherwise the library wrote it shorter, and the file stays valid as it is
            file.seek(8)
            file.write(text.ljust(size))


def load_weights(path: Path, *, method: str, kinds: Collection[str] = (), otherwise: str = "") -> Weights:
    """Read a file that `save_weights` wrote.

    Arguments:
        method: the method that will use the weights. If the file is a PyTorch checkpoint, the error recommends its importer.
        kinds: the kinds of model that the method can use; empty: any.
        otherwise: what the error says about other kinds; empty: the method cannot use them.

    Raises:
        WeightsError: the file does not exist, is damaged, is not safetensors, was not written by vgmae-bench, or holds
            another kind of model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError as error:
        raise WeightsError(f"There is no weights file {path}") from error
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, method, error) from error
    try:
        if metadata["format"] != FORMAT:
            raise WeightsError(f"{path} has the unknown format {metadata['format']}", f"this version reads {FORMAT}")
        weights = Weights(metadata["kind"], json.loads(metadata["config"]), tensors, path)
    except (KeyError, json.JSONDecodeError) as error:
        raise WeightsError(f"{path} was not written by vgmae-bench", "its metadata name no model") from error
    if kinds and weights.kind not in kinds:
        raise WeightsError(f'{path} holds a "{weights.kind}" model', otherwise or f"{method} cannot use this kind")
    return weights


def load_into(model: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Load weights into a model. Names and shapes must match exactly.

    Arguments:
        model: can be on the "meta" device, which saves its initialisation. It then uses the tensors without copying.
        tensors: the state dict, in any floating-point dtype.
        source: their origin, for the message.

    Raises:
        WeightsError: names are missing or unexpected, or shapes differ. The message names them; the model is unchanged.
    """
    expected = model.state_dict()
    check_fit(expected, tensors, source=source)
    on_meta = any(value.is_meta for value in expected.values())
    model.load_state_dict({name: value.to(expected[name].dtype) for name, value in tensors.items()}, assign=on_meta)


def take_what_fits(model: nn.Module, given: Mapping[str, Tensor], source: str) -> list[str]:
    """Copy every tensor with matching name and shape to a new model. Computed tables are not changed.

    Arguments:
        given: tensors by name.
        source: their origin, for messages.

    Returns:
        Sentences about tensors that were copied, that are new, and that were not used.

    Raises:
        WeightsError: no tensor fits.
    """
    wanted = dict(model.named_parameters())
    taken = {name: given[name] for name, value in wanted.items() if name in given and given[name].shape == value.shape}
    if not taken:
        raise WeightsError(
            f"Nothing in {source} fits the network", "no tensor has the name and shape of one of the network's"
        )
    model.load_state_dict(taken, strict=False)
    tables = {name for name, _ in model.named_buffers()}
    return [
        f"taken from {source}: {len(taken)} of {len(wanted)} tensors: {_by_part(taken)}",
        f"new: {_by_part(name for name in wanted if name not in taken)}",
        f"not taken: {_by_part(name for name in given if name not in taken and name not in tables)}",
    ]


def _by_part(names: Iterable[str]) -> str:
    """The number of tensors of each part of the network: "blocks (48), norm (2)"."""
    counts = Counter(name.partition(".")[0] for name in names)
    return ", ".join(f"{part} ({count})" for part, count in counts.items()) or "nothing"


def check_fit(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], *, source: str) -> None:
    """Compare names and shapes of two state dicts. Raises WeightsError with the first few of each difference."""
    shapes = [
        f"{name} {list(given[name].shape)} instead of {list(value.shape)}"
        for name, value in expected.items()
        if name in given and given[name].shape != value.shape
    ]
    differences = [
        ("missing", [name for name in expected if name not in given]),
        ("unexpected", [name for name in given if name not in expected]),
        ("of another shape", shapes),
    ]
    if any(names for _, names in differences):
        why = "; ".join(f"{len(names)} {what}: {_first(names)}" for what, names in differences if names)
        raise WeightsError(f"The weights of {source} do not fit the model", why)


def _first(names: list[str], count: int = 3) -> str:
    return ", ".join(names[:count]) + (", …" if len(names) > count else "")


def _unreadable(path: Path, method: str, error: Exception) -> WeightsError:
    """The error for a file of another format. Its first bytes may show the format."""
    start = b""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(2)
    if start in (b"PK", b"\x80\x02"):  # a zip archive, or a pickle of protocol 2
        return WeightsError(
            f"{path} is a PyTorch checkpoint, not a safetensors file",
            "such files can execute code when they are loaded",
            try_=f"vgmae-bench import-weights {path} --method {method} --out {path.stem}.safetensors",
        )
    return WeightsError(f"{path} is not a whole safetensors file", str(error))
