"""The scoring loop: computes scores from stored predictions. It is cheap and can be repeated."""

from __future__ import annotations

import gzip
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from vgmae_bench import plugins
from vgmae_bench.errors import PluginError
from vgmae_bench.evaluation import notices
from vgmae_bench.evaluation.protocols import EvalProtocol, scored_tracks
from vgmae_bench.evaluation.records.results import ClipCounts, ClipNote, MetricMean, Summary
from vgmae_bench.evaluation.store import SUMMARY, RunFolder
from vgmae_bench.files import locked, write_atomically
from vgmae_bench.metrics import over_time, tapvid
from vgmae_bench.metrics.stats import Mean, clip_bootstrap, finite
from vgmae_bench.progress.bar import counted

_log = logging.getLogger(__name__)

KEYS = ["clip", "question", "frames", "queries", "seconds"]
"""Columns of metrics.csv that are not metrics."""


def score_run(folder: RunFolder, clip_ids: Sequence[str]) -> Summary:
    """Score every clip that has a prediction. Write metrics.csv, the other tables of metrics and summary.json.

    Arguments:
        clip_ids: all clips of the dataset.

    Returns:
        The content of summary.json.
    """
    with locked(folder.path):  # the last of several processes reads the predictions of all
        summary = _score_now(folder, clip_ids)
    for notice in summary.notices:
        _log.warning(f"notice    {notice}")
    return summary


def _score_now(folder: RunFolder, clip_ids: Sequence[str]) -> Summary:
    record, families = folder.record(), load_metrics()
    rows: list[dict[str, Any]] = []
    tracks: list[pd.DataFrame] = []
    times: list[tuple[str, pd.DataFrame]] = []
    predicted = [clip_id for clip_id in clip_ids if folder.has_prediction(clip_id)]
    notes = {clip_id: folder.note(clip_id) for clip_id in clip_ids}
    empty = 0
    looks: list[notices.Look] = []
    for clip_id in counted(predicted, "scoring", "clips", leave=False):
        answered, cost = folder.read_prediction(clip_id), notes[clip_id].cost
        empty += not answered
        for number, (query_set, predictions) in enumerate(answered):
            given = scored_tracks(query_set, predictions, record.protocol)
            looks.append(notices.look(query_set, predictions, record.protocol, clip_id))
            row: dict[str, Any] = {
                "clip": clip_id,
                "question": number,
                "frames": given.target_xy.shape[1],
                "queries": len(query_set.queries),
                "seconds": cost.seconds / len(answered) if cost else math.nan,
            }
            for compute in families.values():
                row.update({name: float(value) for name, value in compute(given).items()})
            rows.append(row)
            keys = {"clip": clip_id, "question": number, "track": query_set.track, "query_frame": given.query_frame}
            tracks.append(pd.DataFrame({**keys, **tapvid.compute_tapvid(given, trackwise=True)}))
            times.append((clip_id, over_time.over_time(given)))
    table = pd.DataFrame(rows, columns=None if rows else [*KEYS, *plugins.find("metrics", "tapvid").spec.values])
    if tracks:
        _write_table(folder.path / "metrics_per_track.csv.gz", pd.concat(tracks, ignore_index=True))
        write_atomically(folder.over_time, partial(over_time.write, clips=times))
    doubts = {clip_id: note.doubt for clip_id, note in notes.items()}
    told = notices.notices(record, looks, doubts)
    summary = summarise(table, record.protocol, notes, empty=empty, notices=told)
    write_scores(folder, table, summary)
    return summary


def write_scores(folder: RunFolder, table: pd.DataFrame, summary: Summary) -> None:
    """Write metrics.csv, one row per query set, and summary.json."""
    _write_table(folder.path / "metrics.csv", table)
    summary.write(folder.path / SUMMARY)


def summarise(
    table: pd.DataFrame,
    protocol: EvalProtocol,
    notes: Mapping[str, ClipNote],
    *,
    empty: int = 0,
    notices: Sequence[str] = (),
) -> Summary:
    """Means over query sets with intervals over clips, coverage and cost.

    Arguments:
        table: as in metrics.csv.
        notes: the notes about all clips of the dataset, by clip id.
        empty: how many clips have nothing to track.
        notices: see `Summary`.
    """
    names = [name for name in table.columns if name not in KEYS]
    means = _means(table, names, protocol) if len(table) else []
    failures = {clip_id: note.error for clip_id, note in notes.items() if note.error is not None}
    costs = [note.cost for note in notes.values() if note.cost is not None]
    return Summary(
        protocol=protocol.name,
        clips=ClipCounts(len(notes), int(table["clip"].nunique()), len(failures), empty),
        failures=failures,
        metrics={
            name: MetricMean(
                mean=finite(mean.value),
                ci95=(finite(mean.low), finite(mean.high)),
                nan=mean.nan_rows,
                mean_without_nan=finite(mean.of_finite),
                clips=int(table.loc[table[name].notna(), "clip"].nunique()),
            )
            for name, mean in zip(names, means, strict=False)
        },
        seconds=sum(cost.seconds for cost in costs),
        frames=sum(cost.frames for cost in costs),
        peak_memory_mb=max((cost.peak_memory_mb for cost in costs), default=None),
        made_by=list(dict.fromkeys(note.made_by for note in notes.values() if note.made_by is not None)),
        notices=list(notices),
    )


def _means(table: pd.DataFrame, names: Sequence[str], protocol: EvalProtocol) -> list[Mean]:
    """The mean of every metric. If the protocol says so, a query set without a value makes a TAP-Vid metric NaN."""
    values, clips = table[list(names)].to_numpy(dtype=float), table["clip"].tolist()
    means = clip_bootstrap(values, clips, skip_nan=True)
    strict = plugins.find("metrics", "tapvid").spec.values if protocol.nan_policy == "propagate" else ()
    return [
        mean._replace(value=math.nan) if name in strict and mean.nan_rows else mean
        for name, mean in zip(names, means, strict=True)
    ]


def load_metrics() -> dict[str, Callable[..., Any]]:
    """Every usable metric plugin, TAP-Vid's first. A broken one is logged and left out."""
    families = {}
    usable = [plugin for plugin in plugins.installed("metrics") if not plugin.missing]
    for plugin in sorted(usable, key=lambda plugin: plugin.name != "tapvid"):
        try:
            families[plugin.name] = plugins.load(plugins.find("metrics", plugin.name))
        except PluginError as error:
            _log.warning(f"metric left out: {error.reason}")
    return families


def _write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, compressed if the name ends in .gz. The same rows give the same bytes."""
    text = table.to_csv(index=False, lineterminator="\n").encode()
    content = gzip.compress(text, mtime=0) if path.suffix == ".gz" else text  # no name and no time in the gzip header
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
