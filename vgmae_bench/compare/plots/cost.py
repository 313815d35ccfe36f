"""What accuracy costs: average Jaccard against time and memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vgmae_bench.compare.plots.groups import groups, keys
from vgmae_bench.compare.plots.style import Plot, label_right, panels, pens, write_below
from vgmae_bench.compare.row import Row

COSTS = {"seconds_per_frame": "tracking, seconds per frame", "peak_memory_mb": "peak memory, MB"}


def draw(rows: Sequence[Row]) -> Plot:
    """A row of panels for every protocol, a point for every run, with the 95 % interval of its average Jaccard."""
    found = groups(rows)
    pen = pens(name for group in found for name in group.runs)
    figure, axes = panels(len(found), 2, 2.3, sharey="row")
    tables = []
    ends: dict[Any, dict[str, float]] = {}
    for line, group in zip(axes, found, strict=True):
        table = pd.DataFrame([keys(row, name) | _costs(row) for name, row in group.runs.items()])
        tables.append(table)
        for one, (cost, label) in zip(line, COSTS.items(), strict=True):
            for _, run in table.iterrows():
                look, height = pen[run["method"]], run["average_jaccard"]
                one.axhline(height, color=look.color, lw=0.5, ls=":")
                if run[cost] > 0:
                    error = np.nan_to_num([[height - run["low"]], [run["high"] - height]])
                    one.errorbar(run[cost], height, error, fmt=look.marker, color=look.color, capsize=2, lw=1)
            one.set(xlabel=label, title=group.title)
        line[0].set(
            xscale="log", ylabel="AJ, %", ylim=(0, 1.08 * np.nanmax(table[["average_jaccard", "high"]].to_numpy()))
        )
        line[1].set(xlim=(0, 1.08 * table["peak_memory_mb"].fillna(1).max()))
        ends[line[1]] = dict(zip(table["method"], table["average_jaccard"], strict=True))
    label_right(figure, ends, pen)
    table = pd.concat(tables, ignore_index=True)
    devices = "; ".join(sorted(set(table["device"])))
    write_below(
        figure,
        f"AJ with 95 % bootstrap intervals over clips. Wall-clock time of tracking alone and peak memory of the whole process, "
        f"as measured when each run was made, on: {devices}. A run whose cost is not known has a line and no point.",
        *(group.protocol for group in found),
    )
    return Plot(figure, table)


def _costs(row: Row) -> dict[str, object]:
    mean, low, high = row.values("average_jaccard")
    return {
        "average_jaccard": mean,
        "low": low,
        "high": high,
        "seconds_per_frame": row.milliseconds_per_frame / 1000,
        "peak_memory_mb": row.peak_memory_mb,
        "device": " and ".join(sorted({session["device"] for session in row.record["sessions"]})),
    }
