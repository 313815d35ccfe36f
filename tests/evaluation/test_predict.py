"""Predicting: clips that fail, runs that go on, and full disks."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from tests.clips import clip
from tests.records import new_record
from tests.shared.logs import logged
from vgmae_bench.errors import StorageError
from vgmae_bench.evaluation.asking import Asking
from vgmae_bench.evaluation.predict import predict
from vgmae_bench.evaluation.protocols import PROTOCOLS
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.types import Clip, Queries, Tracks


class TwoClips:
    """A dataset of two clips."""

    ids = ("a", "b")
    digest = "two"
    options: ClassVar[dict[str, Any]] = {}

    def clip(self, clip_id: str) -> Clip:
        return clip(seed=ord(clip_id))


class FailsOnce:
    """Raises on its first call only."""

    def __init__(self) -> None:
        self.calls = 0

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("out of luck")
        return Tracks(np.repeat(queries.xy[:, None], len(frames), 1), np.ones((len(queries), len(frames)), bool))


def run(tracker: Any, folder: RunFolder, **options: Any) -> list[str]:
    folder.create()
    ids, protocol = TwoClips.ids, PROTOCOLS["tapvid-first"]
    with logged() as said:
        predict(tracker, TwoClips(), ids, protocol, folder, how=Asking(), **options)
    return said


def test_a_clip_that_fails_is_noted_and_tried_again_next_time(tmp_path: Any) -> None:
    folder, tracker = RunFolder(tmp_path), FailsOnce()
    assert "out of luck" in run(tracker, folder)[0]
    assert "out of luck" in str(folder.note("a").error)
    assert folder.has_prediction("b")
    assert run(tracker, folder) == []
    assert tracker.calls == 3  # b was not predicted again
    assert folder.note("a").error is None


def test_redo_predicts_again(tmp_path: Any) -> None:
    folder, tracker = RunFolder(tmp_path), FailsOnce()
    run(tracker, folder)
    run(tracker, folder, redo=True)
    assert tracker.calls == 4


def test_a_full_disk_stops_the_run_and_leaves_nothing_half_written(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)

    def full(source: Any, target: Any) -> None:
        raise OSError(28, "No space left on device")

    folder.create()
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(StorageError, match="No space left"):
        predict(FailsOnce(), TwoClips(), ("b",), PROTOCOLS["tapvid-first"], folder, how=Asking())
    monkeypatch.undo()
    with pytest.raises(StorageError, match="No space left"):
        monkeypatch.setattr("os.replace", full)
        new_record("a").write(folder.path / "record.json")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
