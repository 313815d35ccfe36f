"""Warnings of a run in its output, its summary and its tables, and errors that stop it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vgmae_bench as vb
from tests.clips import clip
from tests.conformance.faulty import Correct, Fractions, HalfNaN, Hidden, IndexOut
from tests.shared.logs import logged
from vgmae_bench.errors import PluginError
from vgmae_bench.evaluation.mistakes import looks_inverted
from vgmae_bench.evaluation.notices import Look, notices
from vgmae_bench.evaluation.predict import StoppedError
from vgmae_bench.evaluation.records.results import WeightsUsed


def clips(count: int = 2) -> list[vb.Clip]:
    return [replace(clip(seed=seed), id=f"clip-{seed}") for seed in range(count)]


def noticed(tracker: type, protocol: str = "tapvid-first", **options: bool) -> list[str]:
    with logged() as said:
        run = vb.evaluate(tracker, clips(), protocol=protocol, **options)
    found = run.summary.notices
    assert [line for line in said if line.startswith("notice")] == [f"notice    {text}" for text in found]
    assert all(text in vb.Runs([run]).table("md") for text in found)
    assert vb.load_runs("results", method=tracker.__name__)[0].summary.notices  # it is kept
    return found


def test_positions_that_are_not_finite_are_refused_or_counted() -> None:
    run = vb.evaluate(HalfNaN, clips())
    assert run.summary.clips.failed == 2
    assert "not finite: 36 of 72, on 3 of 6 tracks" in run.summary.failures["clip-0"]
    (told, *_) = noticed(HalfNaN, allow_nonfinite=True)
    assert told == "72 positions are not finite, in 2 of 2 clips; they count as wrong"


def test_tracks_off_their_queries_are_noticed() -> None:
    (told,) = noticed(IndexOut)
    assert "12 of 12 tracks do not lie on their query" in told and "(0.71 px off)" in told
    assert "vgmae-bench check IndexOut" in told
    assert "in 2 of 2 clips, the first is clip-0, positions look like this mistake: half a pixel too small" in told
    assert "12 of 12" in noticed(Fractions)[0] and "this mistake: fractions of the frame;" in noticed(Fractions)[0]


def test_one_clip_in_another_order_or_with_inverted_visibility_is_named() -> None:
    class Odd(Correct):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
            tracks, self.calls = super().track(frames, queries), self.calls + 1
            return vb.Tracks(tracks.xy[..., ::-1], ~tracks.visible) if self.calls == 2 else tracks

    run = vb.evaluate(Odd, clips(4))
    off, inverted = run.summary.notices
    assert "in 1 of 4 clips, the first is clip-1, positions look like this mistake: (y, x) in place of (x, y)" in off
    assert inverted.startswith("visibility looks inverted in 1 of 4 clips, the first is clip-1:")


def test_static_tracks_before_the_query_are_noticed_if_scored() -> None:
    (told,) = noticed(Correct, "tapvid-strided")
    assert "do not move before their query" in told and 'direction="forward"' in told
    assert vb.evaluate(Correct, clips(), protocol="tapvid-strided", causal=True).summary.notices == []
    assert vb.evaluate(Correct, clips()).summary.notices == []
    assert vb.evaluate("zero-motion", clips(), protocol="tapvid-strided").summary.notices == []


def test_visibility_that_is_always_false_is_noticed() -> None:
    (told,) = noticed(Hidden)
    assert "no point is ever called visible" in told


@pytest.mark.parametrize("answer", [True, False])
def test_one_answer_for_all_points_is_not_inverted(answer: bool) -> None:
    asked = np.zeros((6, 12), dtype=bool)
    asked[:, 0] = True
    for occluded in (~asked, np.zeros_like(asked), np.random.default_rng(0).random(asked.shape) < 0.5):
        assert not looks_inverted(asked | answer, occluded & ~asked, asked)
        assert looks_inverted(~asked & answer, occluded & ~asked, asked)  # hidden in the query frames
    assert looks_inverted(asked | occluded, occluded & ~asked, asked)


def test_small_weights_are_noticed_on_published_sets_alone() -> None:
    record = vb.evaluate("zero-motion", clips()).record
    looks = [Look(tracks=1, lost=0, off=0, offset=0.0, late=0, frozen=0, shown=True)]
    used = replace(record.method, name="videogmae", weights=WeightsUsed("tiny", "0"))
    for dataset, expected in (("davis", 1), ("warp", 0), ("synth", 0), ("folder", 0)):
        own = replace(record, method=used, dataset=replace(record.dataset, name=dataset))
        assert len(notices(own, looks)) == expected
    other = replace(record, method=replace(used, weights=WeightsUsed("mine", "0")))
    assert notices(replace(other, dataset=replace(record.dataset, name="davis")), looks) == []


class Fails(Correct):
    """Fails for small x, or for all."""

    every = 1
    calls = 0

    def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
        self.calls += 1
        if self.calls % self.every == 0:
            raise IndexError(f"no luck in call {self.calls}")
        return super().track(frames, queries)


def test_three_failures_alike_stop_the_run_and_the_first_traceback_is_kept() -> None:
    tracker = Fails()
    with pytest.raises(StoppedError, match=r"3 clips in a row.*no luck in call 3") as caught:
        vb.evaluate(tracker, clips(5))
    assert tracker.calls == 3 and isinstance(caught.value, PluginError)
    assert isinstance(caught.value.__cause__, IndexError)
    (kept,) = Path("results").rglob("first_failure.txt")
    assert "no luck in call 1" in kept.read_text() and "test_notices.py" in kept.read_text()
    assert (kept.parent / "summary.json").is_file()


def test_failures_between_successes_do_not_stop_the_run() -> None:
    class Sometimes(Fails):
        every = 2

    with logged() as said:
        run = vb.evaluate(Sometimes, clips(7))
    assert (run.summary.clips.scored, run.summary.clips.failed) == (4, 3)
    assert [line for line in said if "traceback: " in line and "first_failure.txt" in line] == said[:1]


def test_unreadable_clips_do_not_stop_the_run() -> None:
    def unreadable() -> np.ndarray:
        raise OSError("the disk is gone")

    broken = [*(replace(one, read=unreadable) for one in clips(4)), replace(clip(seed=9), id="good")]

    class Broken:
        ids, digest = [one.id for one in broken], "broken"

        def clip(self, clip_id: str) -> vb.Clip:
            return broken[self.ids.index(clip_id)]

    run = vb.evaluate(Correct, Broken())
    assert (run.summary.clips.scored, run.summary.clips.failed) == (1, 4)
