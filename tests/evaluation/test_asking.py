"""Calls of trackers: forward and backward in time, with one query or many, frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vgmae_bench.errors import PluginError, UsageError
from vgmae_bench.evaluation.asking import Asking, answer, asking_of
from vgmae_bench.evaluation.records.results import MethodUsed
from vgmae_bench.specs import MethodSpec
from vgmae_bench.types import Queries, Streaming, StreamingTracker, Tracks

FRAMES = np.zeros((5, 8, 8, 3), dtype=np.uint8)
FORWARD = Asking("forward")


class Counter:
    """A forward tracker: x is the number of frames since the query, y is the brightness of the frame."""

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
    tracks = answer(tracker, frames, Queries([0, 3], np.zeros((2, 2))), FORWARD, backward=True)  # type: ignore[arg-type]
    assert tracker.calls == 2
    assert tracks.xy[..., 0].tolist() == [[0, 1, 2, 3, 4], [3, 2, 1, 0, 1]]
    assert tracks.xy[1, :, 1].tolist() == [0, 1, 2, 3, 4]  # each position was found in its own frame
    assert tracks.visible.all()


@pytest.mark.parametrize(("how", "backward"), [(Asking(), True), (FORWARD, False)])
def test_the_reversed_pass_is_skipped_if_not_needed(how: Asking, backward: bool) -> None:
    tracker = Counter()
    answer(tracker, FRAMES, Queries([2], np.zeros((1, 2))), how, backward=backward)  # type: ignore[arg-type]
    assert tracker.calls == 1


@pytest.mark.parametrize("wrong", [None, Tracks(np.zeros((1, 4, 2)), np.zeros((1, 4), bool))])  # type: ignore[arg-type]
def test_results_of_the_wrong_type_or_size_are_refused(wrong: Any) -> None:
    class Wrong:
        def track(self, frames: np.ndarray, queries: Queries) -> Any:
            return wrong

    with pytest.raises(PluginError, match=r"did not return Tracks|the wrong size"):
        answer(Wrong(), FRAMES, Queries([0], np.zeros((1, 2))), Asking(), backward=False)  # type: ignore[arg-type]


class Crowd:
    """Returns the query positions in all frames. The confidence is the number of queries in the call, divided by 10."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        self.calls.append(queries.frame.tolist())
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        sure = np.full(xy.shape[:2], len(queries) / 10)
        return Tracks(xy, sure > 0, sure)  # type: ignore[arg-type]


QUERIES = Queries(np.array([3, 0, 3, 1, 3]), np.arange(10).reshape(5, 2))


@pytest.mark.parametrize(
    ("ask", "calls", "sizes"),
    [
        ("all", [[3, 0, 3, 1, 3]], [5, 5, 5, 5, 5]),
        ("single", [[3], [0], [3], [1], [3]], [1, 1, 1, 1, 1]),
        ("frame", [[0], [1], [3, 3, 3]], [3, 1, 3, 1, 3]),
        ("frame:2", [[0], [1], [3, 3], [3]], [2, 1, 2, 1, 1]),
        ("all:3", [[3, 0, 3], [1, 3]], [3, 3, 3, 2, 2]),
    ],
)
def test_queries_are_split_into_calls_and_tracks_come_in_their_order(
    ask: str, calls: list[list[int]], sizes: list[int]
) -> None:
    """`sizes`: the number of queries in the call of each query."""
    tracker = Crowd()
    how = asking_of(MethodSpec("crowd", "", queries="joint"), tracker, ask)
    assert how.ask == ask
    tracks = answer(tracker, FRAMES, QUERIES, how, backward=True)
    assert tracker.calls == calls
    np.testing.assert_array_equal(tracks.xy[:, 2], QUERIES.xy)
    np.testing.assert_allclose(tracks.confidence[:, 0] * 10, sizes)  # type: ignore[index]


@pytest.mark.parametrize("ask", ["", "one", "single:2", "all:0", "all:", "frame:-1", "all:2:3"])
def test_unknown_values_of_ask_are_refused(ask: str) -> None:
    with pytest.raises(UsageError, match="is not a value of --ask"):
        asking_of(MethodSpec("crowd", ""), Crowd(), ask)


def test_joint_queries_are_passed_singly_by_default() -> None:
    tracker: Any = Crowd()
    alone, joint = MethodSpec("crowd", ""), MethodSpec("crowd", "", queries="joint")
    assert asking_of(alone, tracker).ask == "all" and asking_of(joint, tracker).ask == "single"
    assert asking_of(joint, tracker, "frame").ask == "frame" and asking_of(joint, tracker, "all:1").ask == "all:1"
    tracker.ask = "all"  # its settings say so
    assert asking_of(joint, tracker) == Asking("both", "joint", "all")
    assert asking_of(joint, tracker, "single").ask == "single"
    tracker.queries = "independent"
    assert asking_of(joint, tracker).queries == "independent"


def test_the_built_tracker_says_its_direction() -> None:
    tracker: Any = Crowd()
    forward, older = MethodSpec("crowd", "", direction="forward"), MethodSpec("crowd", "", causal=True)
    assert {asking_of(spec, tracker).direction for spec in (forward, older)} == {"forward"}
    assert asking_of(MethodSpec("crowd", "", direction="both", causal=True), tracker).direction == "both"
    tracker.direction = "both"
    assert asking_of(forward, tracker).direction == "both"
    tracker.direction = 3.5  # something of its own
    assert asking_of(forward, tracker).direction == "forward"


def test_records_say_whether_answers_could_depend_on_each_other() -> None:
    said = {ask: MethodUsed("crowd", queries="joint", ask=ask).joint for ask in ("single", "all:1", "frame", "all:64")}
    assert said == {"single": False, "all:1": False, "frame": True, "all:64": True}
    assert not MethodUsed("crowd", ask="all").joint


class Counts(StreamingTracker):
    """x counts the frames since the start."""

    def start(self, queries: Queries) -> None:
        self.queries_of_now, self.seen = queries, 0

    def step(self, frame: np.ndarray) -> Tracks:
        xy = self.queries_of_now.xy + np.array([self.seen, 0])
        self.seen += 1
        return Tracks(xy[:, None], np.ones((len(xy), 1), bool))


def test_a_streaming_tracker_is_a_tracker() -> None:
    tracker = Counts()
    assert isinstance(tracker, Streaming) and not isinstance(Crowd(), Streaming)
    tracks = answer(
        tracker, FRAMES, QUERIES[:2], asking_of(MethodSpec("counts", "", causal=True), tracker), backward=True
    )
    np.testing.assert_array_equal(tracks.xy[1, :, 0], QUERIES.xy[1, 0] + np.arange(5))
    np.testing.assert_array_equal(tracks.xy[0, :, 0], QUERIES.xy[0, 0] + [4, 3, 2, 3, 4])  # reversed before frame 3
