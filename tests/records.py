"""Scored runs on disk, made of numbers: what comparisons read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vgmae_bench import config
from vgmae_bench.compare.row import HEADLINE
from vgmae_bench.evaluation.protocols import PROTOCOLS
from vgmae_bench.evaluation.record import Identity
from vgmae_bench.metrics.stats import clip_bootstrap


def write_run(
    out: Path,
    method: str,
    scores: Sequence[float] | Mapping[str, Sequence[float]],
    *,
    clips: Sequence[str] | None = None,
    dataset: str = "synth",
    protocol: str = "tapvid-first",
    expected: int | None = None,
    seed: int = 0,
) -> Path:
    """Write the record, the scores and the summary of a run below `out`; returns its folder.

    Arguments:
        scores: a score a question, as fractions; for one metric, or by metric ("average_jaccard" and so on).
        clips: the clip of each question; by default each question has one of its own.
        expected: how many clips the dataset has, if more than were scored.
    """
    by_metric = dict(scores) if isinstance(scores, Mapping) else dict.fromkeys(HEADLINE, scores)
    table = pd.DataFrame(by_metric, dtype=float)
    table.insert(0, "clip", [f"clip-{k:03}" for k in range(len(table))] if clips is None else list(clips))
    table.insert(1, "question", table.groupby("clip").cumcount())
    identity = Identity(method, {}, None, None, dataset, f"digest of {dataset}", PROTOCOLS[protocol], seed)
    folder = identity.folder(out, None).path
    folder.mkdir(parents=True)
    record = {
        "format": 1,
        "key": identity.key,
        "identity": config.to_json(identity),
        "protocol_digest": identity.protocol.digest(identity.dataset_digest),
        "note": "",
        "weights_name": None,
        "dataset_settings": {},
        "protocol_sentence": identity.protocol.sentence,
        "sessions": [],
    }
    skip = identity.protocol.nan_policy == "skip"
    means = clip_bootstrap(table[list(by_metric)].to_numpy(), table["clip"].tolist(), skip_nan=skip)
    scored = int(table["clip"].nunique())
    summary = {
        "clips": {"expected": expected or scored, "scored": scored, "failed": 0, "without_queries": 0},
        "metrics": {
            name: {
                "mean": _number(mean.value),
                "ci95": [_number(mean.low), _number(mean.high)],
                "nan": mean.nan_rows,
                "mean_without_nan": _number(mean.of_finite),
            }
            for name, mean in zip(by_metric, means, strict=True)
        },
        "seconds": 1.0,
        "frames": 24 * len(table),
        "peak_memory_mb": 100.0,
    }
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    table.to_csv(folder / "metrics.csv", index=False)
    return folder


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
