"""Faults of metrics are found, and shipped metrics pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import vgmae_bench as vb
from vgmae_bench import plugins
from vgmae_bench.metrics.scored_tracks import ScoredTracks


def within(scored: ScoredTracks) -> np.ndarray:
    counted = scored.evaluated & ~scored.target_occluded
    return np.linalg.norm(scored.xy - scored.target_xy, axis=-1)[counted]


def good(scored: ScoredTracks) -> dict[str, float]:
    """The share of visible positions within 4 px."""
    error = within(scored)
    return {"near": float(np.mean(error <= 4)) if error.size else float("nan")}


def percent(scored: ScoredTracks) -> dict[str, float]:
    return {"near": 100 * good(scored)["near"]}


def error_as_score(scored: ScoredTracks) -> dict[str, float]:
    error = within(scored)
    return {"near": float(np.mean(np.minimum(np.nan_to_num(error, nan=99), 99))) if error.size else float("nan")}


def zero_for_nothing(scored: ScoredTracks) -> dict[str, float]:
    return {"near": float(np.nan_to_num(good(scored)["near"]))}


def fails_for_nothing(scored: ScoredTracks) -> dict[str, float]:
    return {"near": float((within(scored) <= 4).sum() / int(within(scored).size))}


def leaves_out_nan(scored: ScoredTracks) -> dict[str, float]:
    error = within(scored)
    error = error[np.isfinite(error)]
    return {"near": float(np.mean(error <= 30)) if error.size else float("nan")}


def first_query(scored: ScoredTracks) -> dict[str, float]:
    value = np.linalg.norm(scored.xy - scored.target_xy, axis=-1)[0][~scored.target_occluded[0]]
    return {"near": 1 / (1 + float(np.nan_to_num(value, nan=1e6).mean())) if len(value) > 1 else float("nan")}


def forgets_what_counts(scored: ScoredTracks) -> dict[str, float]:
    hidden = scored.target_occluded & scored.evaluated
    far = np.linalg.norm(scored.xy - scored.target_xy, axis=-1)[hidden & ~scored.target_occluded.all()]
    return {"near": float(np.mean(np.nan_to_num(far, nan=0.0) > 4)) if far.size else float("nan")}


def another_name(scored: ScoredTracks) -> dict[str, float]:
    return {"far": good(scored)["near"]}


def writes(scored: ScoredTracks) -> dict[str, float]:
    value = good(scored)
    scored.xy[:] = 0
    return value


def a_number(scored: ScoredTracks) -> float:
    return good(scored)["near"]


@pytest.mark.parametrize(
    ("metric", "check"),
    [
        (percent, "unit"),
        (error_as_score, "direction"),
        (zero_for_nothing, "nothing to count"),
        (fails_for_nothing, "values"),
        (leaves_out_nan, "not finite"),
        (first_query, "order of queries"),
        (forgets_what_counts, "direction"),
        (another_name, "names"),
        (writes, "values"),
        (a_number, "values"),
    ],
)
def test_a_fault_is_found(metric: Callable[[ScoredTracks], dict[str, float]], check: str) -> None:
    report = vb.check(metric, declares={"values": ("near",)})
    assert check in {found.check for found in report.faults}, report


def test_a_correct_metric_passes() -> None:
    report = vb.check(good, declares={"values": ("near",)})
    assert report.passed and report.kind == "metric", report
    report = vb.check(error_as_score, declares={"values": ("near",), "lower_is_better": ("near",)})
    assert report.passed, report


@pytest.mark.parametrize("name", [plugin.name for plugin in plugins.installed("metrics") if not plugin.missing])
def test_shipped_metrics_pass(name: str) -> None:
    report = vb.check(name)
    assert report.passed, report
