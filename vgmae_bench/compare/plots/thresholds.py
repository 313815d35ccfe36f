"""Position accuracy and Jaccard over the thresholds that their averages hide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vgmae_bench.compare.plots.groups import groups, keys
from vgmae_bench.compare.plots.style import Plot, label_right, panels, pens, write_below
from vgmae_bench.compare.row import Row

MEASURES = {"pts_within": "position accuracy, %", "jaccard": "Jaccard, %"}


def draw(rows: Sequence[Row]) -> Plot:
    """A row of panels for every protocol, a line for every run, with 95 % bootstrap intervals over clips."""
    found = groups(rows)
    pen = pens(name for group in found for name in group.runs)
    figure, axes = panels(len(found), 2, 2.3)
    ends: dict[Any, dict[str, float]] = {}
    records = []
    for line, group in zip(axes, found, strict=True):
        thresholds = group.first.record["identity"]["protocol"]["thresholds"]
        for one, (measure, label) in zip(line, MEASURES.items(), strict=True):
            ends[one] = {}
            for name, row in group.runs.items():
                values = [row.values(f"{measure}_{k}") for k in thresholds]
                mean, low, high = zip(*values, strict=True)
                one.plot(thresholds, mean, **vars(pen[name]))
                one.fill_between(thresholds, low, high, color=pen[name].color, alpha=0.15, lw=0)
                ends[one][name] = mean[-1]
                records += [
                    keys(row, name) | {"measure": measure, "threshold_px": k, "percent": m, "low": a, "high": b}
                    for k, (m, a, b) in zip(thresholds, values, strict=True)
                ]
            one.set(xscale="log", ylim=(0, 100), xlabel="threshold, px", ylabel=label, title=group.title)
            one.set_xticks(thresholds, [str(k) for k in thresholds])
            one.minorticks_off()
    label_right(figure, ends, pen)
    protocols = [group.protocol for group in found]
    write_below(figure, "Means over clips; shaded: 95 % bootstrap intervals over clips.", *protocols)
    return Plot(figure, pd.DataFrame(records))
