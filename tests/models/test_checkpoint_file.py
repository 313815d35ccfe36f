"""Files of `torch.save` are read like with `torch.load`, but nothing is executed."""

from __future__ import annotations

import argparse
import os
import pathlib
import pickle
import subprocess
import zipfile
from collections import OrderedDict, defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vgmae_bench.errors import UntrustedFileError, UserError, WeightsError
from vgmae_bench.models.checkpoint_file import Inert, read_checkpoint

both_formats = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def save(content: Any, path: Path, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@both_formats
def test_tensors_are_read_unchanged(zipped: bool, tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    content = OrderedDict(
        whole=base,
        transposed=base.T,
        row=base[2],
        strided=base[::2, 1::3],
        scalar=torch.tensor(3),
        empty=torch.zeros(0, 5),
        parameter=torch.nn.Parameter(torch.ones(2)),
        half=torch.ones(3, dtype=torch.float16),
        brain=torch.ones(3, dtype=torch.bfloat16),
        double=torch.ones(3, dtype=torch.float64),
        flags=torch.tensor([True, False]),
        bytes=torch.arange(5, dtype=torch.uint8),
    )
    read = read_checkpoint(save(content, tmp_path / "a.pth", zipped))
    assert isinstance(read, OrderedDict) and list(read) == list(content)
    for name, value in content.items():
        assert read[name].dtype == value.dtype and torch.equal(read[name], value), name


OBJECTS = {
    "namespace": argparse.Namespace(lr=0.1),
    "path": pathlib.PurePosixPath("/a/b"),
    "number": np.float64(2.5),
    "default": defaultdict(list, {"a": [1]}),
    "partial": partial(torch.hub.load, "owner/repository"),
    "plain": [1, 2.5, "x", None, True, (3, {4: 5})],
}


def test_objects_of_known_libraries_become_inert_stand_ins(tmp_path: Path) -> None:
    read = read_checkpoint(save(OBJECTS, tmp_path / "a.pth"))
    assert isinstance(read["namespace"], Inert)
    assert (read["namespace"].path, read["namespace"].state) == ("argparse.Namespace", {"lr": 0.1})
    assert (read["path"].path, read["path"].args) == ("pathlib.PurePosixPath", ("/", "a", "b"))
    assert isinstance(read["number"], Inert) and isinstance(read["partial"], Inert)
    assert read["default"] == {"a": [1]}
    assert read["plain"] == OBJECTS["plain"]


def test_old_files_with_objects_are_refused_in_one_line(tmp_path: Path) -> None:
    path = save({"model": {"a": torch.ones(1)}, "args": argparse.Namespace(lr=0.1)}, tmp_path / "a.pth", zipped=False)
    with pytest.raises(UntrustedFileError, match=r"PyTorch before 1\.6") as error:
        read_checkpoint(path)
    assert "nothing in it was executed" in error.value.why


class Malicious:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


@both_formats
@pytest.mark.parametrize("function", [os.mkdir, os.system, eval, exec, getattr, subprocess.run, __import__, open])
def test_functions_are_refused(function: Any, zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    path = save({"state_dict": {}, "extra": [Malicious(function, "marker")]}, tmp_path / "a.pth", zipped)
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(UntrustedFileError, match=function.__name__ if zipped else "more than tensors"):
        read_checkpoint(path)
    assert not os.listdir()


def test_functions_of_known_libraries_are_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy.save would write a file if it ran."""
    path = save({"x": Malicious(np.save, "marker.npy", [1])}, tmp_path / "a.pth")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    read = read_checkpoint(path)["x"]
    assert isinstance(read, Inert) and read.args == ("marker.npy", [1])
    assert not os.listdir()


@both_formats
def test_truncated_files_are_weights_errors(zipped: bool, tmp_path: Path) -> None:
    path = save({"a": torch.ones(1000), "b": torch.ones(10)}, tmp_path / "a.pth", zipped)
    data = path.read_bytes()
    for length in (0, 1, 50, 300, len(data) - 3000, len(data) - 30):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError if zipped else UserError, match=r"a\.pth"):  # half a name is an unknown name
            read_checkpoint(path)


def test_flipped_bits_are_found(tmp_path: Path) -> None:
    path = save({"a": torch.ones(1000)}, tmp_path / "a.pth")
    data = bytearray(path.read_bytes())
    position = data.index(np.ones(500, np.float32).tobytes()) + 100
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        read_checkpoint(path)


def test_other_files_are_weights_errors(tmp_path: Path) -> None:
    for name, data in (("text", b"hello"), ("pickle", b"\x80\x02K\x01."), ("picture", b"\x89PNG\r\n\x1a\n" * 9)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match=name):
            read_checkpoint(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(WeightsError, match=r"no data\.pkl"):
        read_checkpoint(tmp_path / "archive")
    for suffix in (".pt", ".npz", ".safetensors"):
        with pytest.raises(WeightsError, match="nowhere"):
            read_checkpoint(tmp_path / f"nowhere{suffix}")
        (tmp_path / f"damaged{suffix}").write_bytes(b"no such thing")
        with pytest.raises(WeightsError, match="damaged"):
            read_checkpoint(tmp_path / f"damaged{suffix}")


def test_an_archive_that_only_python_can_open_is_a_weights_error(tmp_path: Path) -> None:
    """PyTorch expects its files in a folder of the archive. Its reader raises RuntimeError."""
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps({}))
    with pytest.raises(WeightsError, match="is not a whole PyTorch checkpoint"):
        read_checkpoint(path)


def test_an_npz_with_an_unsupported_compression_is_a_weights_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, weight=np.zeros(3))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 10] = 99  # a way of compressing
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is not a whole npz file"):
        read_checkpoint(path)
