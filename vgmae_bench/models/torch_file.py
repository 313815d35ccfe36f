"""Read what `torch.save` wrote without executing anything in it.

A checkpoint is a pickle, and unpickling calls whatever the pickle names. Here every name resolves to something inert:
tensors become references to bytes that are read when asked for, `OrderedDict` is itself, anything else of a known
library becomes an `Inert` record of its arguments and state, and names outside those libraries are refused.
"""

from __future__ import annotations

import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import torch

from vgmae_bench.errors import UntrustedFileError, UserError, WeightsError

_LIBRARIES = {
    "_codecs",
    "argparse",
    "collections",
    "copyreg",
    "functools",
    "numpy",
    "pathlib",
    "torch",
    "torchmetrics",
    "typing",
}
_LIBRARIES |= {"hydra", "lightning", "lightning_fabric", "omegaconf", "pytorch_lightning", "timm"}
"""Names in these are recorded; a training run's hyper-parameters and callbacks hold such objects."""

_BUILTINS = {"bool", "bytes", "complex", "dict", "float", "int", "list", "long", "object", "set", "str", "tuple"}
"""Built-in types are recorded likewise (OmegaConf stores them); everything else in that module could be a function."""

_DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class StorageRef:
    """Bytes of the file that hold `numel` values of a dtype."""

    key: str
    dtype: torch.dtype
    numel: int


@dataclass(frozen=True)
class TensorRef:
    """A strided view of a storage; `TorchFile.tensor` reads it."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Inert:
    """What stands in for an object of a library: a record of how it would have been made. Nothing is ever called.

    Attributes:
        path: "module.name" of the object's class.
        args: the arguments it would have been made with.
        state: what its attributes would have been set from, or None.
        entries: its items, where it is a mapping.
    """

    path = ""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        """Keep the arguments and call nothing."""
        made = super().__new__(cls)
        made.args, made.state, made.entries = args, None, {}
        return made

    args: tuple[Any, ...]
    state: Any
    entries: dict[Any, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is left to do: pickles make objects with and without it."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def append(self, value: Any) -> None:
        """Keep an entry of what was a list."""
        self.entries[len(self.entries)] = value

    def extend(self, values: Any) -> None:
        """Keep entries of what was a list."""
        for value in values:
            self.append(value)


class TorchFile:
    """An opened checkpoint: `content` is its object tree with `TensorRef` and `Inert` leaves.

    Raises:
        WeightsError: no such file, truncated, or not written by `torch.save`.
        UntrustedFileError: it names something that is neither data nor of a known library.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise WeightsError(f"Cannot read the checkpoint {path}", error.strerror or str(error)) from error
        try:
            if zipfile.is_zipfile(self._file):
                self.content, self._read_storage = self._open_zip()
            else:
                self._file.seek(0)  # the check above read elsewhere
                if self._file.read(2) == b"PK":
                    raise WeightsError(f"{path} is not a whole PyTorch checkpoint", "the end of the file is missing")
                self._file.seek(0)
                self.content, self._read_storage = self._open_legacy()
        except UserError:
            self._file.close()
            raise
        except Exception as error:  # damaged pickles fail in every way there is
            self._file.close()
            raise WeightsError(
                f"{path} is not a whole PyTorch checkpoint", f"reading it gave {type(error).__name__}: {error}"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def tensor(self, ref: TensorRef) -> torch.Tensor:
        """Read one tensor, and only its bytes. Raises WeightsError when they are missing or damaged."""
        storage = ref.storage
        if math.prod(ref.shape) == 0:
            return torch.empty(ref.shape, dtype=storage.dtype)
        last = ref.offset + sum((size - 1) * step for size, step in zip(ref.shape, ref.stride, strict=True))
        if min(ref.offset, *ref.shape, *ref.stride, 0) < 0 or last >= storage.numel:
            raise WeightsError(f"{self._path} is damaged", f"a tensor of shape {list(ref.shape)} exceeds its storage")
        try:
            data = self._read_storage(storage)
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{self._path} is damaged", f"{error}") from error
        if len(data) != storage.numel * storage.dtype.itemsize:
            raise WeightsError(f"{self._path} is truncated", f"storage {storage.key} has {len(data)} bytes")
        whole = torch.frombuffer(data, dtype=storage.dtype)
        part = whole.as_strided(ref.shape, ref.stride, ref.offset)
        return part if part.numel() == storage.numel else part.clone()

    def _open_zip(self) -> tuple[Any, Callable[[StorageRef], bytearray]]:
        archive = zipfile.ZipFile(self._file)
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsError(f"{self._path} is a zip file, but not a PyTorch checkpoint", "it has no data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise WeightsError(f"{self._path} was written on a big-endian machine", "that is not supported")
        with archive.open(pickles[0]) as file:
            content = _Unpickler(file, self._path).load()
        return content, lambda storage: bytearray(archive.read(f"{folder}data/{storage.key}"))

    def _open_legacy(self) -> tuple[Any, Callable[[StorageRef], bytearray]]:
        """The format before PyTorch 1.6: magic number, version, platform, content, storage keys; then the storages."""

        def load() -> Any:
            unpickler = _Unpickler(self._file, self._path)
            value = unpickler.load()
            storages.update(unpickler.storages)
            return value

        storages: dict[str, StorageRef] = {}
        if load() != _LEGACY_MAGIC:
            raise WeightsError(f"{self._path} is a pickle, but not a PyTorch checkpoint")
        _version, platform, content, keys = load(), load(), load(), load()
        if not platform["little_endian"]:
            raise WeightsError(f"{self._path} was written on a big-endian machine", "that is not supported")
        starts: dict[str, int] = {}
        for key in keys:
            (numel,) = struct.unpack("<q", self._file.read(8))
            starts[key] = self._file.tell()
            self._file.seek(numel * storages[key].dtype.itemsize, 1)

        def read(storage: StorageRef) -> bytearray:
            self._file.seek(starts[storage.key])
            return bytearray(self._file.read(storage.numel * storage.dtype.itemsize))

        return content, read


class _Unpickler(pickle.Unpickler):
    """Resolves every name of a pickle to something that cannot act."""

    def __init__(self, file: BinaryIO | Any, path: Path) -> None:
        super().__init__(file)
        self._path = path
        self.storages: dict[str, StorageRef] = {}

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("collections", "defaultdict"): self._mapping,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_parameter"): self._parameter,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        root = module.partition(".")[0]
        if root in _LIBRARIES or (module in ("builtins", "__builtin__") and name in _BUILTINS):
            return type("Inert", (Inert,), {"path": f"{module}.{name}"})
        raise UntrustedFileError(
            f"{self._path} is not loaded: it names {module}.{name}, which is not data",
            "such a file can execute code; nothing in it was executed",
        )

    def persistent_load(self, pid: Any) -> StorageRef:
        kind, dtype, key, _location, numel = pid[:5]
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise WeightsError(f"{self._path} holds a storage of an unsupported kind", f"{kind}, {dtype}")
        self.storages[str(key)] = StorageRef(str(key), dtype, int(numel))
        return self.storages[str(key)]

    def _tensor(self, storage: StorageRef, offset: int, shape: Any, stride: Any, *_hooks: Any) -> TensorRef:
        return TensorRef(storage, int(offset), tuple(map(int, shape)), tuple(map(int, stride)))

    def _parameter(self, data: Any, *_hooks: Any) -> Any:
        return data

    def _mapping(self, *_factory: Any) -> dict[Any, Any]:
        return {}
