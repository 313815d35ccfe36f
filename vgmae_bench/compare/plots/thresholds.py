"""Position accuracy and Jaccard at each threshold. Tables show only the means over thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vgmae_bench.compare.plots.groups import caption, groups, keys, shading
from vgmae_bench.compare.plots.style import CurveLabel, Plot, finish, panels
from vgmae_bench.compare.row import Row

MEASURES = {"pts_within": "position accuracy, %", "jaccard": "Jaccard, %"}


def plot_thresholds(rows: Sequence[Row]) -> Plot:
    """Plot one row of two panels per protocol, with one curve per run."""
    found = groups(rows)
    figure, axes = panels(len(found), 2, 2.2)
    labels: dict[Any, list[CurveLabel]] = {}
    records = []
    shaded, intervals = shading(found)
    for line, group in zip(axes, found, strict=True):
        thresholds = group.first.record.protocol.thresholds
        for one, (measure, ylabel) in zip(line, MEASURES.items(), strict=True):
            heights = {}
            for name, row in group.runs.items():
                values = [row.values(f"{measure}_{k}") for k in thresholds]
                mean, low, high = zip(*values, strict=True)
                one.plot(thresholds, mean, **vars(group.looks[name]))
                if shaded:
                    one.fill_between(thresholds, low, high, color=group.looks[name].color, alpha=0.15, lw=0)
                heights[name] = mean[-1]
                records += [
                    keys(row, name) | {"measure": measure, "threshold_px": k, "percent": m, "low": a, "high": b}
                    for k, (m, a, b) in zip(thresholds, values, strict=True)
                ]
            one.set(xscale="log", ylim=(0, 100), xlabel="threshold, px", ylabel=ylabel, title=group.title)
            one.set_xticks(thresholds, [str(k) for k in thresholds])
            one.minorticks_off()
            labels[one] = group.curve_labels(heights)
    return finish(figure, pd.DataFrame(records), labels, f"Means over clips; {intervals}.", *caption(found))
