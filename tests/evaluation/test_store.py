"""The files of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vgmae_bench.errors import StorageError
from vgmae_bench.evaluation.protocols import QuerySet
from vgmae_bench.evaluation.store import Cost, RunFolder
from vgmae_bench.files import write_atomically
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
def test_predictions_come_back_as_they_were(tmp_path: Path, confidence: bool, clip_id: str) -> None:
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
    assert folder.cost(clip_id) == COST
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {folder.predictions}


def test_the_same_answers_give_the_same_bytes(tmp_path: Path) -> None:
    contents = set()
    for name in ("one", "two"):
        folder = RunFolder(tmp_path / name)
        folder.create()
        folder.write_prediction("clip", answered(), COST)
        contents.add(folder.prediction("clip").read_bytes())
    assert len(contents) == 1


def test_a_damaged_prediction_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create()
    folder.prediction("clip").write_bytes(b"\x89HDF nonsense")
    with pytest.raises(StorageError, match=r"clip\.h5"):
        folder.read_prediction("clip")


def test_a_writer_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot write"):
        RunFolder(tmp_path / "file" / "run").create()
