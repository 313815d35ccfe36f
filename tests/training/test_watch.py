from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from vgmae_bench.data.synth.dataset import Synth
from vgmae_bench.data.synth.scene import SynthConfig
from vgmae_bench.training.log import Log, read_log
from vgmae_bench.training.watch import METRICS, Watch
from vgmae_bench.types import Queries, Tracks


class Oracle:
    """Returns the true tracks of the clips in order, with each motion multiplied by `share`."""

    def __init__(self, clips: int, share: float) -> None:
        dataset = Synth(SynthConfig(split="val", clips=clips))
        self._tracks = [dataset.clip(name).tracks((256, 256)) for name in dataset.ids]
        self._share, self._next = share, 0

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        truth = self._tracks[self._next]
        self._next += 1
        rows = [
            int(np.abs(truth[:, t] - xy).sum(axis=1).argmin()) for t, xy in zip(queries.frame, queries.xy, strict=True)
        ]
        start = queries.xy[:, None]
        return Tracks(start + self._share * (truth[rows] - start), np.ones((len(rows), len(frames)), dtype=np.bool_))


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch(2)


def test_the_true_tracks_score_perfectly(watch: Watch) -> None:
    measured = watch(Oracle(2, 1.0))
    assert list(measured) == list(METRICS)
    assert measured["delta_avg"] == pytest.approx(1, abs=1e-6)
    assert measured["end_point_error"] == pytest.approx(0, abs=1e-4)
    assert measured["correlation"] == pytest.approx(1, abs=1e-6)
    assert 0 < measured["delta_avg_zero_motion"] < 0.5


@pytest.mark.parametrize(("share", "error", "correlation"), [(0.0, 1.0, 0.0), (0.5, 0.5, 1.0), (-1.0, 2.0, -1.0)])
def test_predicting_a_fraction_of_the_motion_gives_the_exact_error(
    watch: Watch, share: float, error: float, correlation: float
) -> None:
    measured = watch(Oracle(2, share))
    assert measured["end_point_error"] == pytest.approx(error, abs=1e-3)
    assert measured["correlation"] == pytest.approx(correlation, abs=1e-3)
    assert (measured["delta_avg"] == measured["delta_avg_zero_motion"]) is (share == 0)


def test_a_log_without_new_columns_continues(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,loss,lr,seconds,clips_per_second,grad_norm,delta_avg\n5,1.0,0.1,1.0,8.0,0.2,0.3\n")
    log = Log(path, 5, METRICS)
    log.add({"step": 10, "loss": 0.5, "delta_avg": 0.4, "correlation": 0.7})
    rows = read_log(path)
    assert [row["delta_avg"] for row in rows] == [0.3, 0.4] and [row["correlation"] for row in rows] == [None, 0.7]
