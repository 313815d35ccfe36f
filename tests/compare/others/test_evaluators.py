"""Findings about evaluators of other projects."""

from __future__ import annotations

import numpy as np
import pytest

from tests.clips import clip
from vgmae_bench.compare import evaluators
from vgmae_bench.compare.evaluators import findings, pairing_by_frames
from vgmae_bench.types import Clip


def test_each_finding_says_where_it_is_written() -> None:
    pairs, strided = findings()
    assert "query frames with other tracks" in pairs["claim"] and "test_dense_on_sparse.py" in pairs["source"]
    assert "cannot run strided" in strided["claim"] and "evaluator.py" in strided["source"]
    assert pairs["measured"]["own"] != pairs["measured"]["paired"] and strided["measured"] is None


@pytest.mark.parametrize(("first_seen", "equal"), [((0, 0, 0), True), ((0, 2, 4), True), ((4, 2, 0), False)])
def test_only_tracks_that_begin_out_of_order_are_paired_wrongly(
    first_seen: tuple[int, ...], equal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = clip(num_points=3)
    occluded = np.arange(known.num_frames) < np.array(first_seen)[:, None]

    class One:
        ids = ("one",)

        def clip(self, clip_id: str) -> Clip:
            return Clip("one", known.size, known.points, occluded, known.read)

    monkeypatch.setattr(evaluators, "open_dataset", lambda *_: One())
    measured = pairing_by_frames()
    assert (measured["own"] == measured["paired"]) == equal
