"""Intervals over clips."""

from __future__ import annotations

import numpy as np
import pytest

from vgmae_bench.metrics.stats import clip_bootstrap


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
