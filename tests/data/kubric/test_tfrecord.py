"""TFRecord files and Examples: files of other programs are read, damaged files are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.data.kubric.tfds_files import encode_example, masked_crc, write_records
from vgmae_bench.data.kubric.tfrecord import Example, count_records, read_records
from vgmae_bench.errors import BadDataError

WRITTEN = Path(__file__).parent / "example.tfrecord"
"""Two records written by the tfrecord package 1.14.6 with Google's protobuf, not by us."""


def test_files_of_another_writer_are_read() -> None:
    first, second = map(Example, read_records(WRITTEN))
    assert count_records(WRITTEN) == 2
    assert first.byte_strings("images") == [b"", b"first", bytes(range(256))]
    np.testing.assert_array_equal(first.floats("range"), np.array([0.25, -1e30, 3.5], np.float32), strict=True)
    assert second.byte_strings("name") == ["κ".encode()] and second.floats("one").tolist() == [2.5]
    assert "one" in second and "one" not in first


def test_lists_that_are_not_packed_are_read_too() -> None:
    floats = b"".join(b"\x0d" + struct.pack("<f", value) for value in (1.5, -2.0))
    value = b"\x12" + bytes([len(floats)]) + floats
    entry = b"\x0a\x01f\x12" + bytes([len(value)]) + value
    body = b"\x0a" + bytes([len(entry)]) + entry
    assert Example(b"\x0a" + bytes([len(body)]) + body).floats("f").tolist() == [1.5, -2.0]


@pytest.mark.parametrize("position", [3, 9, 40, -2], ids=["length", "its CRC", "content", "CRC of the content"])
def test_a_byte_that_changed_is_found(tmp_path: Path, position: int) -> None:
    content = bytearray(WRITTEN.read_bytes())
    content[position] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    with pytest.raises(BadDataError, match=f"record {0 if position > 0 else 1} is damaged"):
        list(read_records(tmp_path / "damaged"))


@pytest.mark.parametrize("size", [5, 100, -3])
def test_a_file_that_was_cut_short_is_found(tmp_path: Path, size: int) -> None:
    (tmp_path / "short").write_bytes(WRITTEN.read_bytes()[:size])
    with pytest.raises(BadDataError, match="it ends within record"):
        list(read_records(tmp_path / "short"))


def test_a_length_beyond_the_file_asks_for_no_memory(tmp_path: Path) -> None:
    length = struct.pack("<Q", 2**62)
    (tmp_path / "long").write_bytes(length + masked_crc(length) + bytes(20))
    with pytest.raises(BadDataError, match="it ends within record 0"):
        list(read_records(tmp_path / "long"))


def test_broken_messages_give_other_values_or_a_value_error() -> None:
    content = encode_example({"a": [b"xyz"], "b": np.array([1.0, 2.0]), "c": np.array([7, 300])})
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        broken = bytearray(content)
        for place in rng.integers(len(broken), size=rng.integers(1, 4)):
            broken[place] = rng.integers(256)
        try:
            example = Example(bytes(broken[: rng.integers(1, len(broken) + 1)]))
            example.byte_strings("a"), example.floats("b")
        except ValueError:
            refused += 1
    assert 250 < refused < 500


def test_a_list_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = write_records(tmp_path / "records", [encode_example({"a": [b"xyz"]})])
    example = Example(next(read_records(file)))
    for read, name in ((example.floats, "a"), (example.byte_strings, "b")):
        with pytest.raises(ValueError, match=f"it has no {name}"):
            read(name)
