"""Findings about evaluators of other projects, each with its source and with what it changes."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib import resources
from typing import Any

import numpy as np

from vgmae_bench.data.open import open_dataset
from vgmae_bench.evaluation.protocols import PROTOCOLS, query_sets, scored_tracks
from vgmae_bench.metrics.tapvid import compute_tapvid
from vgmae_bench.types import Tracks


def findings() -> list[dict[str, Any]]:
    """The findings in claims.toml.

    Returns:
        For each: claim, verdict and source (repository, commit, file). `measured`: AJ of points that never move, on the
            clips of warp: with each query's own frame, and with the frame that the evaluator pairs with it. None if
            there is nothing to measure.
    """
    text = resources.files("vgmae_bench.compare").joinpath("claims.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["findings"]
    return [{**entry, "measured": pairing_by_frames() if entry.pop("pairs_frames", False) else None} for entry in found]


def pairing_by_frames() -> dict[str, float]:
    """AJ of points that never move, scored with query frames in the order of tracks, and in the order of frames.

    The second is what AllTracker's evaluator does: it gathers queries frame by frame, and tracks stay in their order.

    Returns:
        own, paired: means over clips, in percent.
    """
    protocol = PROTOCOLS["tapvid-first"]
    dataset = open_dataset("warp", {}, None)
    values = []
    for clip_id in dataset.ids:
        for _, asked in query_sets(dataset.clip(clip_id), protocol, blank=True):
            frames = asked.target_xy.shape[1]
            xy = np.repeat(asked.queries.xy[:, None], frames, axis=1)
            given = scored_tracks(asked, Tracks(xy, np.ones(xy.shape[:2], dtype=np.bool_)), protocol)
            paired = replace(given, query_frame=np.sort(given.query_frame))
            values.append([compute_tapvid(one)["average_jaccard"] for one in (given, paired)])
    own, paired_by_frames = np.mean(values, axis=0)
    return {"own": round(100 * float(own), 2), "paired": round(100 * float(paired_by_frames), 2)}
