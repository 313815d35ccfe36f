"""Reads TAP-Vid pickles without executing anything in them.

These files hold dicts and lists of NumPy arrays. Normal unpickling calls any function that the file names. Here,
NumPy's names create records of an array's parts, which are checked before they become an array. All other names are
refused.
"""

from __future__ import annotations

import math
import pickle
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vgmae_bench.errors import MissingDataError, UntrustedFileError, damage


def load(source: Path | BinaryIO) -> Any:
    """The content of a pickle of plain data: None, bool, int, float, str, bytes, list, tuple, dict, NumPy arrays and scalars.

    Arrays share the bytes that were read (NumPy copies arrays of up to 200 bytes).

    Arguments:
        source: a file, or one that is open for reading in binary mode.

    Raises:
        MissingDataError: there is no such file.
        UntrustedFileError: the file names anything else. Nothing is executed.
        BadDataError: the file is truncated, is not a pickle, or holds arrays whose parts do not fit together.
    """
    name = str(source if isinstance(source, Path) else getattr(source, "name", "the file"))
    if isinstance(source, Path) and not source.exists():
        raise MissingDataError(f"There is no file {name}")
    with (
        damage(f"{name} cannot be read as a complete pickle of plain data"),
        source.open("rb") if isinstance(source, Path) else nullcontext(source) as file,
    ):
        return _finish(_Unpickler(file, name).load())


class _DType:
    """A dtype under construction: `numpy.dtype(text)`; the state then sets the byte order. Never structured, never datetime."""

    def __init__(self, text: str, *_align_and_copy: Any) -> None:
        if not isinstance(text, str) or not re.fullmatch(r"[biufc](1|2|4|8|16)|[SU]\d{1,9}|O8?", text):
            raise ValueError(f"arrays of dtype {text!r} are not supported")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        order, subarray, names, fields = state[1:5]
        if order not in ("<", ">", "|", "=") or (subarray, names, fields) != (None, None, None):
            raise ValueError("structured arrays are not supported")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """An array under construction: the arguments of `numpy.ndarray.__setstate__`, kept until they are checked."""

    def __init__(self, *_kind_shape_and_type: Any) -> None:
        self._state: Any = None

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def finish(self) -> np.ndarray[Any, Any]:
        """The array. Raises ValueError if shape, dtype and content do not agree."""
        _version, shape, dtype, fortran, content = self._state
        if isinstance(content, list):
            if not dtype.dtype.hasobject or len(content) != math.prod(shape):
                raise ValueError(f"an object array of shape {shape} with {len(content)} elements")
            content = [_finish(item) for item in content]
        else:
            _check(shape, dtype.dtype, content)
        made = np.empty(0)
        # Shares the bytes and leaves the array writable. Safe, because the arguments were checked to agree.
        state = (1, shape, dtype.dtype, bool(fortran), content)
        made.__setstate__(state)  # type: ignore[arg-type]  # the stub wants numpy.bool, NumPy itself a Python bool
        return made


class _Unpickler(pickle.Unpickler):
    """Accepts the names with which NumPy arrays are pickled, and no others."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__(file)
        self._name = name

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "numpy.dtype": _DType,
            "numpy.ndarray": _Array,
            "numpy._core.multiarray._reconstruct": _Array,
            "numpy._core.multiarray.scalar": self._scalar,
            "numpy._core.numeric._frombuffer": self._from_buffer,
            "_codecs.encode": self._encode,
            "builtins.bytes": lambda: b"",
        }
        # NumPy 1 says "core", protocols up to 2 say "__builtin__".
        path = re.sub(r"^numpy\.core\.", "numpy._core.", re.sub("^__builtin__$", "builtins", module)) + f".{name}"
        if path in known:
            return known[path]
        raise UntrustedFileError(
            f"{self._name} is not loaded: it names {module}.{name}, which is not plain data",
            "such a file can execute code; nothing in it was executed",
        )

    def _scalar(self, dtype: _DType, content: Any) -> Any:
        _check((), dtype.dtype, content)
        return np.frombuffer(content, dtype.dtype)[0]

    def _from_buffer(self, content: Any, dtype: _DType, shape: Any, order: Any) -> np.ndarray[Any, Any]:
        _check(shape, dtype.dtype, content)
        return np.ndarray(shape, dtype.dtype, buffer=content, order=order)

    def _encode(self, text: str, encoding: str) -> bytes:
        """How protocols before 3 keep bytes."""
        if encoding != "latin1":
            raise ValueError(f"bytes in {encoding!r}")
        return text.encode("latin1")


def _check(shape: Any, dtype: np.dtype[Any], content: Any) -> None:
    """Raise ValueError unless `content` is exactly the bytes of an array of that shape and dtype."""
    if dtype.hasobject or not isinstance(content, bytes | bytearray):
        raise ValueError("an array without its bytes")
    if (
        any(not isinstance(size, int) or size < 0 for size in shape)
        or len(content) != math.prod(shape) * dtype.itemsize
    ):
        raise ValueError(f"an array of shape {shape} and dtype {dtype} with {len(content)} bytes")


def _finish(value: Any) -> Any:
    """The same tree with finished arrays. Containers are changed in place. Raises ValueError for anything but plain data."""
    if isinstance(value, _Array):
        return value.finish()
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str | bytes | int | float | None):
                raise ValueError(f"a dict key of type {type(key).__name__}")
            value[key] = _finish(value[key])
        return value
    if isinstance(value, list):
        value[:] = map(_finish, value)
        return value
    if isinstance(value, tuple):
        return tuple(map(_finish, value))
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic | np.ndarray):
        return value
    raise ValueError(f"a {type(value).__name__} is not plain data")
