"""Atomic writes with several writers, and the natural order of names."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path

import pytest

from vgmae_bench.errors import StorageError
from vgmae_bench.files import natural_order, write_atomically


def same_everywhere() -> None:
    os.getpid = lambda: 7  # type: ignore[assignment]
    socket.gethostname = lambda: "node"  # type: ignore[assignment]


def write_often(path: Path, letter: str) -> None:
    same_everywhere()
    for _ in range(60):
        write_atomically(path, lambda temporary: temporary.write_text(letter * 1000))


def test_writers_with_equal_process_ids_do_not_collide(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_often, args=(path, letter)) for letter in "abcd"]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            seen.add(path.read_text())
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert seen <= {letter * 1000 for letter in "abcd"}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x" * 250, "é" * 120])
def test_long_names_can_be_written(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, lambda temporary: temporary.write_text("all"))
    assert (tmp_path / name).read_text() == "all"


@pytest.mark.parametrize(
    ("failure", "seen"),
    [(OSError(28, "No space left on device"), StorageError), (RuntimeError("No idea"), RuntimeError)],
)
def test_a_writer_that_fails_leaves_the_old_file(tmp_path: Path, failure: Exception, seen: type[Exception]) -> None:
    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise failure

    (tmp_path / "a").write_text("old")
    with pytest.raises(seen, match="No "):
        write_atomically(tmp_path / "a", fail)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a": "old"}


@pytest.mark.parametrize(
    "names",
    [
        ["split2", "split10"],
        ["-3.png", "-2.png", "1.png"],
        ["0.05.png", "0.1.png", "0.15.png"],
        ["10²", "11²"],
        ["0,05.png", "0,1.png"],
        ["\u22123.png", "\u22122.png", "1.png"],
        ["01", "1", "2"],
        ["a", "a1", "b"],
    ],
)
def test_natural_order(names: list[str]) -> None:
    paths = [Path(name) for name in names]
    assert sorted(paths[1:] + paths[:1], key=natural_order) == paths
