"""Average Jaccard against time per frame and peak memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vgmae_bench.compare.plots.groups import caption, groups, keys
from vgmae_bench.compare.plots.style import CurveLabel, LineLook, Plot, finish, panels
from vgmae_bench.compare.row import Row

COSTS = {"ms_per_frame": "tracking, ms per frame", "peak_memory_mb": "peak memory, MB"}
LEAST_MS = 0.1
"""Faster methods compute almost nothing. They are plotted at the left edge, so that the axis shows the others."""


def plot_cost(rows: Sequence[Row]) -> Plot:
    """Plot one row of two panels per protocol. Each run is a point with the 95 % interval of its AJ."""
    found = groups(rows)
    figure, axes = panels(len(found), 2, 2.2, sharey="row")
    tables = []
    labels: dict[Any, list[CurveLabel]] = {}
    for line, group in zip(axes, found, strict=True):
        table = pd.DataFrame([keys(row, name) | _costs(row) for name, row in group.runs.items()])
        tables.append(table)
        edge = _left_edge(table["ms_per_frame"])
        for one, (cost, xlabel) in zip(line, COSTS.items(), strict=True):
            for _, run in table.iterrows():
                _plot_run(one, run, cost, group.looks[run["method"]], edge)
            one.set(xlabel=xlabel, title=group.title)
        height = 1.08 * np.nanmax(table[["average_jaccard", "high"]].to_numpy())
        slowest = table["ms_per_frame"].fillna(1).max()
        line[0].set(xscale="log", ylabel="AJ, %", ylim=(0, height), xlim=(edge, max(10 * edge, 2 * slowest)))
        line[0].xaxis.set_major_formatter("{x:g}")
        line[0].minorticks_off()
        line[1].set(ylim=(0, height), xlim=(0, 1.08 * table["peak_memory_mb"].fillna(1).max()))
        if line[0].get_position().x0 == line[1].get_position().x0:  # below each other
            line[1].set(ylabel="AJ, %")
        labels[line[1]] = group.curve_labels(dict(zip(table["method"], table["average_jaccard"], strict=True)))
    table = pd.concat(tables, ignore_index=True)
    devices = "; ".join(sorted(set(table["device"])))
    return finish(
        figure,
        table,
        labels,
        "AJ with 95 % bootstrap intervals over clips. Time: wall clock of tracking alone; points at the left edge take less "
        f"than {LEAST_MS} ms. Memory: peak of the whole process. Device: {devices}. A dotted line without a point: unknown.",
        *caption(found),
    )


def _left_edge(times: pd.Series[float]) -> float:
    """Half the time of the fastest method that computes something, where those that compute almost nothing are plotted."""
    working = times[times >= LEAST_MS]
    return float(working.min()) / 2 if len(working) else LEAST_MS


def _plot_run(axes: Any, run: Any, cost: str, look: LineLook, edge: float) -> None:
    height = run["average_jaccard"]
    if look.marker:
        axes.axhline(height, color=look.color, lw=0.5, ls=":")
    if not np.isnan(run[cost]):
        place = max(run[cost], edge) if cost == "ms_per_frame" else run[cost]
        error = np.nan_to_num([[height - run["low"]], [run["high"] - height]])
        style = {"color": look.color, "fillstyle": look.fillstyle, "zorder": look.zorder}
        axes.errorbar(place, height, error, fmt=look.marker or "o", capsize=2, lw=1, clip_on=False, **style)


def _costs(row: Row) -> dict[str, object]:
    mean, low, high = row.values("average_jaccard")
    return {
        "average_jaccard": mean,
        "low": low,
        "high": high,
        "ms_per_frame": row.milliseconds_per_frame,
        "peak_memory_mb": row.peak_memory_mb,
        "device": " and ".join(sorted({session.device for session in row.record.sessions})),
    }
