"""Writes the files of scored runs with given scores, as input for comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vgmae_bench.compare.row import HEADLINE
from vgmae_bench.evaluation.protocols import PROTOCOLS
from vgmae_bench.evaluation.records.results import ClipNote, Cost, DatasetUsed, MethodUsed, Record, run_key
from vgmae_bench.evaluation.score import summarise, write_scores
from vgmae_bench.evaluation.store import folder_of


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
        scores: one score per query set, as fractions; for one metric, or by metric ("average_jaccard" and so on).
        clips: the clip of each query set; by default, each query set has its own clip.
        expected: how many clips the dataset has, if more than were scored.
    """
    by_metric = dict(scores) if isinstance(scores, Mapping) else dict.fromkeys(HEADLINE, scores)
    table = pd.DataFrame(by_metric, dtype=float)
    table.insert(0, "clip", [f"clip-{k:03}" for k in range(len(table))] if clips is None else list(clips))
    table.insert(1, "question", table.groupby("clip").cumcount())
    record = new_record(method, dataset=dataset, protocol=protocol, seed=seed)
    folder = folder_of(record, out)
    folder.path.mkdir(parents=True)
    cost = Cost(seconds=1.0, peak_memory_mb=100.0, frames=24 * len(table), queries=0)
    notes = dict.fromkeys(map(str, range(expected or table["clip"].nunique())), ClipNote())
    record.write(folder.path / "record.json")
    write_scores(folder, table, summarise(table, record.protocol, notes | {"0": ClipNote(cost=cost)}))
    return folder.path


def new_record(
    method: str,
    *,
    settings: Mapping[str, Any] | None = None,
    dataset: str = "synth",
    protocol: str = "tapvid-first",
    seed: int = 0,
) -> Record:
    """The record of a run before its first process."""
    asked = PROTOCOLS[protocol]
    tracker, data = MethodUsed(method, dict(settings or {}), seed), DatasetUsed(dataset, f"digest of {dataset}")
    return Record(
        key=run_key(tracker, data, asked),
        method=tracker,
        dataset=data,
        protocol=asked,
        protocol_digest=asked.digest(data.digest),
        protocol_sentence=asked.sentence,
    )
