"""Intervals over clips, paired tests and Holm's correction, compared with SciPy on the same data."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vgmae_bench.metrics.stats import clip_bootstrap, holm, interval, sign_flip_test


def test_interval_has_the_width_that_theory_gives() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.1, (400, 1))
    mean = clip_bootstrap(values, [str(k) for k in range(400)])[0]
    half_width = 1.96 * values.std() / np.sqrt(400)
    assert mean.value == pytest.approx(values.mean())
    assert mean.low == pytest.approx(values.mean() - half_width, abs=0.1 * half_width)
    assert mean.high == pytest.approx(values.mean() + half_width, abs=0.1 * half_width)


def test_chunks_of_one_clip_are_resampled_together() -> None:
    values = np.repeat([0.0, 1.0, 0.0, 1.0], 50)[:, None]
    as_clips = clip_bootstrap(values, np.repeat(["a", "b", "c", "d"], 50).tolist())[0]
    as_rows = clip_bootstrap(values, [str(k) for k in range(200)])[0]
    assert as_clips.high - as_clips.low > 3 * (as_rows.high - as_rows.low)


def test_nan_propagates_to_the_mean_and_is_counted() -> None:
    values = np.array([[0.2], [np.nan], [0.4]])
    mean = clip_bootstrap(values, ["a", "b", "c"])[0]
    assert np.isnan(mean.value)
    assert mean.nan_rows == 1
    assert mean.of_finite == pytest.approx(0.3)
    assert clip_bootstrap(values, ["a", "b", "c"], skip_nan=True)[0].value == pytest.approx(0.3)


def test_the_same_rows_give_the_same_interval() -> None:
    values = np.random.default_rng(0).random((20, 2))
    clips = [str(k) for k in range(20)]
    assert clip_bootstrap(values, clips) == clip_bootstrap(values, clips)


def test_one_clip_has_no_interval() -> None:
    assert np.isnan(clip_bootstrap(np.array([[0.5]]), ["a"])[0].low)


def test_intervals_of_means_and_ratios_agree_with_scipy() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.beta(4, 2, 40), rng.beta(2, 4, 40)
    for totals, sizes, expected in (
        (first, np.ones(40), stats.bootstrap((first,), np.mean, **SCIPY)),
        (first, second, stats.bootstrap((first, second), _ratio, paired=True, **SCIPY)),
    ):
        ends = [float(end[0]) for end in interval(totals[:, None], sizes[:, None])]
        width = expected.confidence_interval.high - expected.confidence_interval.low
        assert ends == pytest.approx(list(expected.confidence_interval), abs=0.02 * width)


def test_few_clips_are_tested_exactly_as_scipy_does() -> None:
    rng = np.random.default_rng(3)
    columns = [rng.normal(0.4, 1, 10), np.round(rng.normal(0, 1, 10)), np.zeros(10), np.repeat([1.0, -1.0], 5)]
    p = sign_flip_test(np.stack(columns, axis=1))
    for value, differences in zip(p, columns, strict=True):
        expected = stats.permutation_test(
            (differences, np.zeros(10)), _mean_difference, permutation_type="samples", n_resamples=np.inf
        )
        assert value == pytest.approx(expected.pvalue, abs=1e-12)
    assert p[2] == 1


def test_many_clips_are_tested_as_scipy_does_up_to_chance() -> None:
    differences = np.random.default_rng(4).normal(0.15, 1, 80)
    p = float(sign_flip_test(differences[:, None])[0])
    expected = stats.permutation_test(
        (differences, np.zeros(80)), _mean_difference, permutation_type="samples", n_resamples=20_000, rng=0
    ).pvalue
    assert 0.01 < expected < 0.5  # neither end hides a mistake
    assert p == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 10_000))


@pytest.mark.parametrize("clips", [11, 60])  # all patterns, random ones
def test_without_a_difference_p_values_are_uniform(clips: int) -> None:
    # Skewed sizes and random signs: symmetric around 0, and far from normal.
    rng = np.random.default_rng(5)
    differences = rng.exponential(1, (clips, 500)) ** 2 * rng.choice([-1.0, 1.0], (clips, 500))
    p = sign_flip_test(differences)
    assert stats.kstest(p, "uniform").pvalue > 0.05
    assert stats.kstest(sign_flip_test(differences + 0.5), "uniform").pvalue < 1e-6  # and it would be noticed


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.2])
    everything = range(len(p))
    subsets = [list(s) for size in range(1, len(p) + 1) for s in combinations(everything, size)]
    closed = [max(min(1.0, len(s) * p[s].min()) for s in subsets if k in s) for k in everything]
    np.testing.assert_allclose(holm(p), closed)


def test_holm_leaves_out_what_was_not_tested() -> None:
    np.testing.assert_allclose(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])


def test_no_clip_has_no_p_value() -> None:
    assert np.isnan(sign_flip_test(np.zeros((0, 1)))).all()


SCIPY: dict[str, Any] = {"method": "percentile", "n_resamples": 20_000, "vectorized": True, "rng": 0}


def _ratio(first: Any, second: Any, axis: int = -1) -> Any:
    return first.mean(axis=axis) / second.mean(axis=axis)


def _mean_difference(first: Any, second: Any, axis: int = -1) -> Any:
    return (first - second).mean(axis=axis)
