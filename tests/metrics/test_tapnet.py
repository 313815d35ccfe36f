"""The adapter to tapnet, tested with tapnet if it is installed, otherwise with a stand-in."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vgmae_bench.metrics import tapnet, tapvid
from vgmae_bench.metrics.scored_tracks import ScoredTracks

STAND_IN = """
import tensorflow as tf
import mediapy
from tapnet.utils import transforms
from vgmae_bench.metrics.tapvid import tapvid_metrics

def compute_tapvid_metrics(query_points, gt_occluded, gt_tracks, pred_occluded, pred_tracks, query_mode):
    return tapvid_metrics(query_points[..., 0], gt_occluded, gt_tracks, pred_occluded, pred_tracks, query_mode)
"""


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tapnet package, or a stand-in with the same modules and imports."""
    if importlib.util.find_spec("tapnet") is None:
        for package in ("tapnet", "tapnet/tapvid", "tapnet/utils"):
            (tmp_path / package).mkdir()
            (tmp_path / package / "__init__.py").touch()
        (tmp_path / "tapnet/utils/transforms.py").touch()
        (tmp_path / "tapnet/tapvid/evaluation_datasets.py").write_text(STAND_IN)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
    tapnet._official.cache_clear()
    yield
    tapnet._official.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tapnet"]:
        del sys.modules[name]


@pytest.mark.parametrize("mode", ["first", "strided"])
@pytest.mark.parametrize("case", ["random", "all occluded", "one frame", "query on the last frame"])
def test_the_reference_and_we_agree(reference: None, mode: str, case: str) -> None:
    rng = np.random.default_rng(0)
    M, T = 7, 1 if case == "one frame" else 9
    query = np.full(M, T - 1) if case == "query on the last frame" else rng.integers(0, T, M)
    hidden = np.ones((M, T), bool) if case == "all occluded" else rng.random((M, T)) < 0.3
    truth = rng.uniform(0, 256, (M, T, 2))
    given = ScoredTracks(query, truth, hidden, truth + rng.normal(0, 4, truth.shape), rng.random((M, T)) < 0.3, mode)  # type: ignore[arg-type]
    ours = {f"tapnet_{name}": float(value) for name, value in tapvid.compute_tapvid(given).items()}
    theirs = tapnet.compute_tapnet(given)
    assert set(theirs) == set(ours)
    for name, value in theirs.items():
        np.testing.assert_array_equal(value, ours[name], err_msg=name)
    assert "tensorflow" not in sys.modules or importlib.util.find_spec("tensorflow")
