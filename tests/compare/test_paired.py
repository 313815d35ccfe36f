"""Two runs clip by clip, and ranks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.records import write_run
from vgmae_bench.compare.paired import compare, fewest_clips, ranks
from vgmae_bench.compare.row import Row
from vgmae_bench.compare.selection import select_runs
from vgmae_bench.errors import UnknownNameError, UsageError

OUT = Path("results")
RNG = np.random.default_rng(0)


def rows(*scores: object, **options: object) -> list[Row]:
    for number, values in enumerate(scores):
        write_run(OUT, f"m{number}", values, **options)  # type: ignore[arg-type]
    return select_runs(OUT)


def test_differences_are_those_of_the_table() -> None:
    first = RNG.random(30)
    a, b = rows(first, first - RNG.normal(0.1, 0.02, 30))
    pair = compare(a, b, ["average_jaccard"])[0]
    assert 100 * pair.difference == pytest.approx(a.values("average_jaccard")[0] - b.values("average_jaccard")[0])
    assert pair.low < pair.difference < pair.high
    assert pair.distinguishable
    assert (pair.wins, pair.ties, pair.losses) == (30, 0, 0)
    differences = list(pair.by_clip.values())
    assert differences == sorted(differences, reverse=True)
    assert pair.extremes(2)[1][0] == (list(pair.by_clip)[-1], differences[-1])
    assert "m0 is better than m1 at 30 clips" in pair.sentence("m0", "m1")


def test_several_query_sets_of_a_clip_count_as_one_unit() -> None:
    # Clip x has three query sets: it weighs three times as much in the mean, and is one clip to the test.
    clips = ["x", "x", "x", "y"]
    a, b = rows([0.3, 0.4, 0.5, 0.8], [0.1, 0.2, 0.3, 0.2], clips=clips, protocol="videogmae-release")
    pair = compare(a, b, ["average_jaccard"])[0]
    assert pair.clips == 2
    assert pair.difference == pytest.approx((3 * 0.2 + 0.6) / 4)
    assert pair.by_clip == pytest.approx({"y": 0.6, "x": 0.2})
    assert pair.p == pytest.approx(0.5)  # two of the four sign patterns are as extreme


def test_query_sets_without_a_value_are_left_out_of_both_runs() -> None:
    a, b = rows([0.5, np.nan, 0.3], [0.4, 0.9, 0.3])
    pair = compare(a, b, ["average_jaccard"])[0]
    assert (pair.clips, pair.wins, pair.ties, pair.losses) == (2, 1, 1, 0)
    assert (pair.first, pair.second) == pytest.approx((0.4, 0.35))


def test_metrics_are_corrected_together() -> None:
    noise = RNG.normal(0, 0.1, 12)
    scores = {name: 0.5 + scale + noise for name, scale in (("average_jaccard", 0.1), ("occlusion_accuracy", 0.05))}
    a, b = rows(scores, {name: np.full(12, 0.5) for name in scores})
    both = compare(a, b, list(scores))
    assert sorted(pair.p_holm for pair in both) == pytest.approx(
        [2 * min(pair.p for pair in both), max(2 * min(pair.p for pair in both), max(pair.p for pair in both))]
    )


def test_lower_is_better_metrics_count_smaller_values_as_wins() -> None:
    a, b = rows({"median_trajectory_error": [1.0, 2.0, 3.0]}, {"median_trajectory_error": [2.0, 3.0, 3.0]})
    pair = compare(a, b, ["median_trajectory_error"])[0]
    assert (pair.wins, pair.ties, pair.losses) == (2, 1, 0)
    assert pair.difference == pytest.approx(-2 / 3)
    assert list(pair.by_clip)[-1] == "clip-002"  # the worst for the first is the tie
    assert "not distinguishable at 3 clips (-0.67 [" in pair.sentence("a", "b")  # in px, hence not times 100


def test_runs_without_common_queries_are_refused() -> None:
    a, b = rows([0.1, 0.2], [0.3, 0.4])
    with pytest.raises(UnknownNameError, match="no metric"):
        compare(a, b, ["luck"])
    write_run(OUT, "m0", [0.1, 0.2], protocol="tapvid-strided")
    strided = select_runs(OUT, protocol="tapvid-strided")[0]
    with pytest.raises(UsageError, match="different queries"):
        compare(a, strided)
    write_run(OUT, "m2", [0.1], clips=["elsewhere"])
    with pytest.raises(UsageError, match="share no clip"):
        compare(a, select_runs(OUT, ["m2"])[0])


def test_runs_that_the_test_cannot_separate_share_a_rank() -> None:
    scores = RNG.random(40)
    noise = RNG.normal(0, 0.05, 40)
    close = scores + noise - noise.mean() + 1e-4  # slightly better on average, worse on half of the clips
    assert ranks(rows(scores, close, scores - 0.2, scores + 0.2)) == [2, 2, 4, 1]


def test_ranks_are_reversed_for_lower_is_better_metrics() -> None:
    error = "median_trajectory_error"
    assert ranks(rows({error: np.full(20, 1.0)}, {error: np.full(20, 2.0)}), error) == [1, 2]


def test_too_few_clips_give_no_ranks() -> None:
    assert fewest_clips(2) == 6  # 2 / 2^6 < 0.05 < 2 / 2^5
    for clips in (5, 6):
        write_run(OUT, "good", np.full(clips, 0.9))
        write_run(OUT, "poor", np.full(clips, 0.1))
        assert ranks(select_runs(OUT)) == (None if clips == 5 else [1, 2])
        shutil.rmtree(OUT)


def test_a_single_run_has_rank_one() -> None:
    assert ranks(rows([0.5, 0.6])) == [1]
