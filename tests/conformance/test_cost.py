"""The cost of a tracker: measurements and linear forecasts."""

from __future__ import annotations

import numpy as np

import vgmae_bench as vb
from tests.conformance.faulty import Still
from vgmae_bench.conformance.cost import Measured, forecast


def test_forecasts_are_linear() -> None:
    found = forecast(Measured(8, 2.0, 100.0), Measured(16, 3.0, 180.0), 32)
    assert found == Measured(32, 5.0, 340.0)
    assert forecast(Measured(8, 2.0, 100.0), Measured(16, 1.9, 100.0), 80).seconds == 2.0


def test_an_object_is_measured_in_this_process() -> None:
    class Greedy(Still):
        def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
            np.ones(len(frames) * 4_000_000, dtype=np.float64).sum()  # 32 MB a frame
            return super().track(frames, queries)

    cost, told = vb.check(Greedy, only=["cost"]).findings
    first, second = (float(part.split()[-2]) for part in cost.what.split(", ")[-1].replace(" and ", " MB|").split("|"))
    assert 150 < second - first < 400, cost
    assert "davis" in told.what and "kinetics" in told.what


def test_a_method_by_name_is_measured_in_separate_processes() -> None:
    cost, _ = vb.check("zero-motion", only=["cost"]).findings
    assert "8 and 16 frames" in cost.what and "each in a process of its own" in cost.what
