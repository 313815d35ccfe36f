"""Asking trackers: forward, backward, and about clips that fail."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from tests.clips import clip
from tests.logs import logged
from tests.records import new_record
from vgmae_bench.errors import PluginError, StorageError
from vgmae_bench.evaluation.predict import answer, predict
from vgmae_bench.evaluation.protocols import PROTOCOLS
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.types import Clip, Queries, Tracks

FRAMES = np.zeros((5, 8, 8, 3), dtype=np.uint8)


class Counter:
    """A causal tracker: x counts the frames since the query, y tells the brightness of the frame."""

    def __init__(self) -> None:
        self.calls = 0

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        self.calls += 1
        since = np.arange(len(frames)) - queries.frame[:, None]
        brightness = np.broadcast_to(frames[:, 0, 0, 0], since.shape)
        return Tracks(np.stack([since, brightness], axis=-1), since >= 0)


def test_frames_before_a_query_come_from_the_reversed_clip() -> None:
    frames = FRAMES + np.arange(5, dtype=np.uint8)[:, None, None, None]
    tracker = Counter()
    tracks = answer(tracker, frames, Queries([0, 3], np.zeros((2, 2))), causal=True, backward=True)  # type: ignore[arg-type]
    assert tracker.calls == 2
    assert tracks.xy[..., 0].tolist() == [[0, 1, 2, 3, 4], [3, 2, 1, 0, 1]]
    assert tracks.xy[1, :, 1].tolist() == [0, 1, 2, 3, 4]  # each position was found in its own frame
    assert tracks.visible.all()


@pytest.mark.parametrize(("causal", "backward"), [(False, True), (True, False)])
def test_the_second_pass_is_saved_where_it_is_not_needed(causal: bool, backward: bool) -> None:
    tracker = Counter()
    answer(tracker, FRAMES, Queries([2], np.zeros((1, 2))), causal=causal, backward=backward)  # type: ignore[arg-type]
    assert tracker.calls == 1


@pytest.mark.parametrize("wrong", [None, Tracks(np.zeros((1, 4, 2)), np.zeros((1, 4), bool))])  # type: ignore[arg-type]
def test_a_tracker_that_answers_something_else_is_told_so(wrong: Any) -> None:
    class Wrong:
        def track(self, frames: np.ndarray, queries: Queries) -> Any:
            return wrong

    with pytest.raises(PluginError, match=r"did not return Tracks|the wrong size"):
        answer(Wrong(), FRAMES, Queries([0], np.zeros((1, 2))), causal=False, backward=False)  # type: ignore[arg-type]


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
        predict(tracker, TwoClips(), ids, protocol, folder, causal=False, **options)
    return said


def test_a_clip_that_fails_is_noted_and_tried_again_next_time(tmp_path: Any) -> None:
    folder, tracker = RunFolder(tmp_path), FailsOnce()
    assert "out of luck" in run(tracker, folder)[0]
    assert "out of luck" in str(folder.failure("a"))
    assert folder.has_prediction("b")
    assert run(tracker, folder) == []
    assert tracker.calls == 3  # b was not predicted again
    assert folder.failure("a") is None


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
        predict(FailsOnce(), TwoClips(), ("b",), PROTOCOLS["tapvid-first"], folder, causal=False)
    monkeypatch.undo()
    with pytest.raises(StorageError, match="No space left"):
        monkeypatch.setattr("os.replace", full)
        folder.write_record(new_record("a"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
