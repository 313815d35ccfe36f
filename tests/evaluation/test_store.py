"""The files of a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from vgmae_bench.errors import StorageError
from vgmae_bench.evaluation.protocols import QuerySet
from vgmae_bench.evaluation.store import Cost, RunFolder, new_h5
from vgmae_bench.types import Queries, Tracks

COST = Cost(seconds=1.5, peak_memory_mb=10.0, frames=4, queries=2)


def answered(confidence: bool = True) -> list[tuple[QuerySet, Tracks]]:
    rng = np.random.default_rng(0)
    queries = Queries(np.array([0, 2]), rng.random((2, 2)))
    query_set = QuerySet(queries, np.array([1, 1]), rng.random((3, 4, 2)), rng.random((3, 4)) < 0.5)
    soft = rng.random((2, 4)) if confidence else None
    return [(query_set, Tracks(rng.random((2, 4, 2)), rng.random((2, 4)) < 0.5, soft))]  # type: ignore[arg-type]


@pytest.mark.parametrize("confidence", [True, False])
@pytest.mark.parametrize("clip_id", ["bear", "a/b c", "ümlaut:1", ".."])
def test_predictions_are_read_as_written(tmp_path: Path, confidence: bool, clip_id: str) -> None:
    folder = RunFolder(tmp_path)
    folder.create()
    ((query_set, tracks),) = answered(confidence)
    folder.write_prediction(clip_id, [(query_set, tracks)], COST)
    ((read_query_set, read_tracks),) = folder.read_prediction(clip_id)
    for name in ("track", "target_xy", "target_occluded"):
        np.testing.assert_array_equal(getattr(read_query_set, name), getattr(query_set, name), strict=True)
    for name in ("xy", "visible", "confidence"):
        np.testing.assert_array_equal(getattr(read_tracks, name), getattr(tracks, name))
    np.testing.assert_array_equal(read_query_set.queries.frame, query_set.queries.frame)
    assert folder.note(clip_id).cost == COST
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {folder.predictions}


def test_the_same_answers_give_the_same_bytes(tmp_path: Path) -> None:
    contents = set()
    for name in ("one", "two"):
        folder = RunFolder(tmp_path / name)
        folder.create()
        folder.write_prediction("clip", answered(), COST)
        contents.add(folder.prediction("clip").read_bytes())
    assert len(contents) == 1


def test_a_file_from_memory_has_the_bytes_of_one_on_disk(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((300, 200))
    with new_h5(tmp_path / "memory.h5") as memory, h5py.File(tmp_path / "disk.h5", "w") as disk:
        for file in (memory, disk):
            file.attrs["clip"] = "a"
            file["0/xy"], file["0/visible"] = values, values > 0.5
    assert (tmp_path / "memory.h5").read_bytes() == (tmp_path / "disk.h5").read_bytes()


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from vgmae_bench.errors import StorageError
from vgmae_bench.evaluation.store import new_h5
from vgmae_bench.files import write_atomically

def write(path):
    with new_h5(path) as file:
        file["xy"], file["visible"] = np.ones((200, 100, 2)), np.ones((200, 100), bool)

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_atomically(Path(sys.argv[1]) / "a.h5", write)
except StorageError as error:
    print(error.what)
"""


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    """Runs in a separate process, because HDF5 crashes with a segmentation fault if it writes to a full disk itself."""
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Cannot write to {tmp_path / 'a.h5'}\n", "")
    assert not list(tmp_path.iterdir())


def test_a_damaged_prediction_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create()
    folder.prediction("clip").write_bytes(b"\x89HDF nonsense")
    with pytest.raises(StorageError, match=r"clip\.h5"):
        folder.read_prediction("clip")


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot write"):
        RunFolder(tmp_path / "file" / "run").create()
