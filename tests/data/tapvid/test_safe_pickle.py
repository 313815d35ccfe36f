"""Plain data are read unchanged. Everything else is refused, and nothing is executed."""

from __future__ import annotations

import io
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgmae_bench.data.tapvid import safe_pickle
from vgmae_bench.errors import BadDataError, MissingDataError, UntrustedFileError

EXAMPLE: dict[str, Any] = {
    "video": np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3),
    "large": np.arange(1000, dtype=np.float64).reshape(20, 50),
    "columns": np.asfortranarray(np.arange(600.0).reshape(20, 30)),
    "big-endian": np.arange(300, dtype=">i4"),
    "occluded": np.array([[True, False]]),
    "empty": np.zeros((0, 7), np.float32),
    "jpegs": np.array([b"\xff\xd8one", b"\xff\xd8three"], dtype=object),
    "padded": np.array([b"ab", b"c\x00d"]),
    "names": np.array(["a", "längste"]),
    "scalar": np.float32(1.5),
    "plain": [None, True, 3, 2.5, "text", b"bytes", b"", (1, [2, {"deep": np.ones(3)}])],
}


def same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(theirs, np.ndarray | np.generic):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_array_equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            same(ours[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    else:
        assert ours == theirs


def load(data: bytes) -> Any:
    return safe_pickle.load(io.BytesIO(data))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_load_as_with_pickle(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(EXAMPLE, protocol))
    same(safe_pickle.load(path), pickle.loads(path.read_bytes()))


def test_numpy_1_spelling_is_read() -> None:
    data = pickle.dumps(EXAMPLE, 2)
    assert b"numpy._core" in data
    same(load(data.replace(b"numpy._core", b"numpy.core")), pickle.loads(data))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_can_be_written_to_and_share_the_bytes_read(protocol: int) -> None:
    array = load(pickle.dumps(np.zeros((100, 100)), protocol))
    array += 1
    assert array.sum() == 10_000
    assert array.flags.owndata is False


class Malicious:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("function", "named"),
    [(os.mkdir, "mkdir"), (eval, "eval"), (getattr, "getattr"), (np.load, "load"), (zlib.compress, "zlib.compress")],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_other_names_are_refused_by_name(
    function: Any, named: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps({"clip": {"video": Malicious(function, "marker")}}, protocol)
    with pytest.raises(UntrustedFileError, match=named):
        load(data)
    assert not list(tmp_path.iterdir())


def test_refused_inside_object_arrays() -> None:
    with pytest.raises(UntrustedFileError, match="mkdir"):
        load(pickle.dumps(np.array([Malicious(os.mkdir, "marker")], dtype=object)))


def test_unknown_numpy_functions_are_refused() -> None:
    with pytest.raises(UntrustedFileError, match=r"numpy\.testing"):
        load(b"cnumpy.testing\nrundocs\n.")


def test_every_truncation_is_bad_data() -> None:
    data = pickle.dumps(EXAMPLE, 4)
    for length in range(0, len(data), 7):
        with pytest.raises(BadDataError):
            load(data[:length])


@pytest.mark.parametrize(
    "data", [b"", b"not a pickle", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\x80\x04.", b"\x80\x63K\x01."]
)
def test_garbage_is_bad_data(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "garbage.pkl"
    path.write_bytes(data)
    with pytest.raises(BadDataError, match=r"garbage\.pkl"):
        safe_pickle.load(path)


def test_random_damage_gives_no_other_error() -> None:
    data, rng = pickle.dumps(EXAMPLE, 4), np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        damaged = bytearray(data)
        for position in rng.integers(0, 400, size=3):
            damaged[position] = rng.integers(0, 256)
        try:
            load(bytes(damaged))
        except (BadDataError, UntrustedFileError):
            refused += 1
    assert refused > 100


def array_pickle(shape: tuple[Any, ...], dtype: Any, content: Any) -> bytes:
    """A pickle of an array with possibly inconsistent parts."""

    class Parts:
        def __reduce__(self) -> Any:
            return np.zeros(0).__reduce__()[0], (np.ndarray, (0,), b"b"), (1, shape, dtype, False, content)

    return pickle.dumps(Parts(), 4)


@pytest.mark.parametrize(
    ("shape", "dtype", "content"),
    [
        ((4,), np.dtype("f8"), b"\0" * 24),
        ((2**62,), np.dtype("f8"), b""),
        ((-1,), np.dtype("f8"), b""),
        ((1,), np.dtype("O"), b"\0" * 8),
        ((2,), np.dtype("O"), [1]),
        ((1,), np.dtype("f8"), [1.0]),
        ((1,), np.dtype([("a", "f8")]), b"\0" * 8),
        ((1,), np.dtype("M8[s]"), b"\0" * 8),
        ((1,), np.dtype("V8"), b"\0" * 8),
    ],
)
def test_arrays_whose_parts_do_not_agree_are_bad_data(shape: tuple[int, ...], dtype: Any, content: Any) -> None:
    with pytest.raises(BadDataError):
        load(array_pickle(shape, dtype, content))


def test_lists_within_themselves_are_bad_data() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(BadDataError):
        load(pickle.dumps(endless))


def test_sets_are_not_plain_data() -> None:
    with pytest.raises(BadDataError, match="set"):
        load(pickle.dumps({1, 2}, 4))


def test_a_missing_file_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"nowhere\.pkl"):
        safe_pickle.load(tmp_path / "nowhere.pkl")


def test_a_folder_is_bad_data(tmp_path: Path) -> None:
    with pytest.raises(BadDataError):
        safe_pickle.load(tmp_path)
