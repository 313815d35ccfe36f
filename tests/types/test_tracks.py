"""Queries and tracks: what they refuse, and how clips are shown."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tests.clips import clip
from vgmae_bench.types import Queries, Tracks


@pytest.mark.parametrize(
    ("frame", "xy", "message"),
    [
        ([0.5], [[1, 2]], "query frames must be whole numbers, got 0.5"),
        ([np.nan], [[1, 2]], "query frames must be whole numbers, got nan"),
        ([0], [[np.nan, 2]], "query positions must be finite"),
        ([0, 1], [[1, 2]], "queries need frame [N] and xy [N, 2], got (2,) and (1, 2)"),
        (0, [1, 2], "queries need frame [N] and xy [N, 2]"),
    ],
)
def test_unusable_queries_are_refused(frame: Any, xy: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Queries(frame, xy)


def test_queries_convert_lists_and_whole_floating_point_frames() -> None:
    queries = Queries([0.0, 2.0], [[1, 2], [3, 4]])  # type: ignore[arg-type]
    assert queries.frame.dtype == np.int64 and queries.frame.tolist() == [0, 2]
    assert queries.tyx().tolist() == [[0, 2, 1], [2, 4, 3]]
    assert queries.txy(centres=True).tolist() == [[0, 0.5, 1.5], [2, 2.5, 3.5]]


@pytest.mark.parametrize(
    ("visible", "confidence", "message"),
    [
        (np.ones((2, 3)), None, "visible must be boolean, got float64"),
        (np.ones((2, 4), bool), None, "tracks need xy [N, T, 2] and visible [N, T]"),
        (np.ones((2, 3), bool), np.ones(2), "confidence must be [N, T] like visible"),
    ],
)
def test_unusable_tracks_are_refused(visible: Any, confidence: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Tracks(np.zeros((2, 3, 2), np.float32), visible, confidence)


def test_a_clip_is_shown_in_one_line() -> None:
    assert repr(clip()) == "<Clip clip: 12 frames of 64×64, 6 tracks>"
