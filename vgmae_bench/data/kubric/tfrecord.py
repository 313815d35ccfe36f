"""Reads TFRecord files of `tf.train.Example` messages, as TensorFlow Datasets writes them, without TensorFlow.

A TFRecord file is a sequence of records: length (uint64), CRC of the length, content, CRC of the content (masked
CRC-32C, all little-endian). An Example maps names to lists of bytes, float32 or int64, in the wire format of protocol
buffers. Both formats are small and fixed, and TensorFlow is a gigabyte. That is why this package has its own reader. It
checks every length against the available bytes, nests no deeper than an Example, and decodes lists only on request.

Sources: https://www.tensorflow.org/tutorials/load_data/tfrecord, tensorflow/core/example/{example,feature}.proto,
https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import numpy as np
import numpy.typing as npt

from vgmae_bench.errors import BadDataError

_HEADER, _FOOTER = 12, 4  # bytes: length and its CRC; CRC of the content
_BYTES, _FLOATS = 1, 2  # fields of a Feature
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5  # kinds of a field


def read_records(path: Path, *, contents: bool = True) -> Iterator[bytes]:
    """The contents of the records of a file. Memory holds one record at a time.

    Arguments:
        contents: False gives b"" for each record, and reads the headers alone.

    Raises:
        BadDataError: a record is damaged or cut short. The message names it, counted from 0.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        for number in itertools.count():
            header = file.read(_HEADER)
            if not header:
                return
            if len(header) < _HEADER:
                raise _bad(path, f"it ends within record {number}")
            if header[8:] != _masked_crc(header[:8]):
                raise _bad(path, f"record {number} is damaged: the CRC of its length differs")
            (length,) = struct.unpack("<Q", header[:8])
            end = file.tell() + length + _FOOTER
            if end > size:
                raise _bad(path, f"it ends within record {number}")
            content = file.read(length) if contents else b""
            if contents and file.read(_FOOTER) != _masked_crc(content):
                raise _bad(path, f"record {number} is damaged: its CRC differs")
            file.seek(end)
            yield content


def count_records(path: Path) -> int:
    """The number of records in a file, from their headers alone. Raises BadDataError like `read_records`."""
    return sum(1 for _ in read_records(path, contents=False))


class Example:
    """A `tf.train.Example`: lists by name.

    Raises:
        ValueError: the content is not such a message. The methods raise it if a list is missing or has another type.
    """

    def __init__(self, content: bytes) -> None:
        self._features: dict[str, memoryview] = {}
        for features in _values(memoryview(content), 1):
            for entry in _values(features, 1):
                names, lists = list(_values(entry, 1)), list(_values(entry, 2))
                if len(names) != 1 or len(lists) != 1:
                    raise ValueError("an entry is not a name and a list")
                self._features[bytes(names[0]).decode()] = lists[0]

    def __contains__(self, name: str) -> bool:
        return name in self._features

    def byte_strings(self, name: str) -> list[bytes]:
        """A list of byte strings."""
        return [bytes(value) for value in _values(self._list(name, _BYTES), 1)]

    def floats(self, name: str) -> npt.NDArray[np.float32]:
        """A list of floats: float32 [n]."""
        content = b"".join(_values(self._list(name, _FLOATS), 1, _DELIMITED, _FIXED32))
        if len(content) % 4:
            raise ValueError(f"its {name} is not a list of floats")
        return np.frombuffer(content, dtype="<f4")

    def _list(self, name: str, kind: int) -> memoryview:
        lists = list(_values(self._features[name], kind)) if name in self._features else []
        if len(lists) != 1:
            raise ValueError(f"it has no {name}, or one of another kind")
        return lists[0]


def _masked_crc(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _values(message: memoryview, field: int, *kinds: int) -> Iterator[memoryview]:
    """The values of one field of a message. Their wire type must be one of `kinds` (usually "length, then bytes")."""
    for number, kind, value in _fields(message):
        if number == field:
            if kind not in (kinds or (_DELIMITED,)):
                raise ValueError(f"field {field} has another type than in an Example")
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(number, wire type, bytes of the value) of the fields of a message."""
    position = 0
    while position < len(message):
        key, start = _varint(message, position)
        kind = key & 7
        if kind == _VARINT:
            _, position = _varint(message, start)
        elif kind == _DELIMITED:
            length, start = _varint(message, start)
            position = start + length
        elif kind in (_FIXED32, _FIXED64):
            position = start + (4 if kind == _FIXED32 else 8)
        else:
            raise ValueError(f"a field of wire type {kind}, which no Example has")
        if position > len(message):
            raise ValueError("it ends within a field")
        yield key >> 3, kind, message[start:position]


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The number at `position`, and the position after it."""
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it ends within a number")
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise ValueError("a number of more than ten bytes")


def _bad(path: Path, why: str) -> BadDataError:
    return BadDataError(f"{path} cannot be used", why, try_="get the file again")
