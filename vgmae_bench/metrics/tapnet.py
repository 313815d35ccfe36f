"""The reference implementation of the TAP-Vid metrics (google-deepmind/tapnet) as a metric of its own.

It is optional: `vgmae_bench.metrics.tapvid` gives the same numbers. If tapnet is installed, runs also store its values,
under the same names with the prefix "tapnet_".
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np

from vgmae_bench.metrics.scored_tracks import ScoredTracks

_UNUSED = ("absl", "chex", "jax", "jax.numpy", "mediapy", "scipy", "scipy.io", "tensorflow", "tensorflow_datasets")
"""Packages that tapnet imports for its readers. The metric function needs none of them."""


def compute_tapnet(scored: ScoredTracks) -> dict[str, float]:
    """The values that tapnet computes for one query set."""
    queries = np.zeros((1, len(scored.query_frame), 3))  # (t, y, x); the score uses t only
    queries[0, :, 0] = scored.query_frame
    with np.errstate(divide="ignore", invalid="ignore"):
        values = _official()(
            query_points=queries,
            gt_occluded=scored.target_occluded[None],
            gt_tracks=scored.target_xy[None],
            pred_occluded=scored.occluded[None],
            pred_tracks=scored.xy[None],
            query_mode=scored.query_mode,
        )
    return {f"tapnet_{name}": float(value[0]) for name, value in values.items()}


@cache
def _official() -> Callable[..., dict[str, Any]]:
    """tapnet's `compute_tapvid_metrics`. Mock modules replace packages that tapnet imports but are missing here."""
    absent = {name: MagicMock() for name in _UNUSED if importlib.util.find_spec(name.partition(".")[0]) is None}
    with patch.dict(sys.modules, absent):
        module = importlib.import_module("tapnet.tapvid.evaluation_datasets")
    function: Callable[..., dict[str, Any]] = module.compute_tapvid_metrics
    return function
