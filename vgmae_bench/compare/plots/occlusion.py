"""Accuracy against time: since the query, and since a point was hidden (re-detection)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vgmae_bench.compare.plots.groups import Group, caption, groups, keys, shading
from vgmae_bench.compare.plots.style import CurveLabel, Plot, finish, panels
from vgmae_bench.compare.row import Row, facts
from vgmae_bench.errors import UnknownNameError
from vgmae_bench.metrics import over_time
from vgmae_bench.metrics.stats import clip_bootstrap

TIMES = {"query": "frames since the query", "hidden": "frames since the point was hidden"}
MEASURES = {"position": r"$\delta_\mathrm{avg}$, %", "visibility": "visible points\ncalled visible, %"}
FEWEST = 5
"""A time is plotted if at least this many clips have a value. If no time has so many, the times with the most are shown."""


def plot_occlusion(rows: Sequence[Row]) -> Plot:
    """Plot two rows of two panels per protocol, with one curve per run.

    Raises:
        UnknownNameError: an earlier version scored a run and did not keep accuracy over time.
        BadDataError: a run's file of accuracy over time is damaged.
    """
    found = groups(rows)
    table = pd.concat([_curves(row, name) for group in found for name, row in group.runs.items()], ignore_index=True)
    figure, axes = panels(2 * len(found), 2, 1.9)
    labels: dict[Any, list[CurveLabel]] = {}
    places = [(group, measure) for group in found for measure in MEASURES]
    shaded, intervals = shading(found)
    few = False
    for line, (group, measure) in zip(axes, places, strict=True):
        for one, since in zip(line, TIMES, strict=True):
            heights = {}
            for name, curve in _shown(table, group, measure, since):
                x = np.sqrt(curve["first_frame"] * curve["last_frame"])
                few = few or bool(curve["clips"].min() < FEWEST)
                one.plot(x, curve["percent"], **vars(group.looks[name]))
                if shaded:
                    one.fill_between(x, curve["low"], curve["high"], color=group.looks[name].color, alpha=0.15, lw=0)
                heights[name] = float(curve["percent"].iloc[-1])
            one.set(xscale="log", ylim=(0, 103), xlabel=TIMES[since], ylabel=MEASURES[measure], title=group.title)
            longest = table.loc[table["since"] == since, "last_frame"].max()
            ticks = [2**power for power in range(14) if 2**power <= longest]
            one.set_xticks(ticks, [str(tick) for tick in ticks])
            one.minorticks_off()
            labels[one] = group.curve_labels(heights)
    rule = f"Times with values on fewer than {FEWEST} clips are left out"
    rule += "; smaller datasets show the times with the most clips." if few else "."
    return finish(
        figure,
        table,
        labels,
        f"Means over clips of fractions pooled within a clip, on frames in which the point is visible; {intervals}. "
        f"Points hidden after their query: frame 1 is the first in which they are visible again. {rule}",
        *caption(found),
    )


def _curves(row: Row, name: str) -> pd.DataFrame:
    """A run's curves in percent: one row per measure and bin of time, with the number of clips that have a value."""
    try:
        fractions = over_time.accuracy(over_time.read(row.run.over_time))
    except FileNotFoundError as error:
        command = facts(row.record, None).get("command", "vgmae-bench run")
        raise UnknownNameError(
            f"{row.run.path} has no {row.run.over_time.name}",
            "it was scored before accuracy over time was kept",
            try_=f"the run again with --redo metrics, where its predictions are: {command}",
        ) from error
    wide = fractions.pivot(index="clip", columns=over_time.KEYS, values=list(MEASURES))
    means = clip_bootstrap(wide.to_numpy(dtype=float), [str(clip) for clip in wide.index], skip_nan=True)
    records = []
    columns: Any = wide.columns
    for (measure, since, first, last), mean in zip(columns, means, strict=True):
        records.append(
            keys(row, name)
            | {"measure": measure, "since": since, "first_frame": first, "last_frame": last}
            | {"percent": 100 * mean.value, "low": 100 * mean.low, "high": 100 * mean.high}
            | {"clips": len(wide) - mean.nan_rows}
        )
    return pd.DataFrame(records).sort_values(["measure", "since", "first_frame"])


def _shown(table: pd.DataFrame, group: Group, measure: str, since: str) -> list[tuple[str, Any]]:
    """The curves of a panel by the run's name. A run in which no point is ever hidden has none."""
    mine = table["run"].isin([row.record.key[:8] for row in group.runs.values()])
    panel = table[mine & (table["measure"] == measure) & (table["since"] == since)]
    panel = panel[panel["clips"] >= min(FEWEST, panel["clips"].max())]
    curves = [(name, panel[panel["run"] == row.record.key[:8]]) for name, row in group.runs.items()]
    return [(name, curve) for name, curve in curves if len(curve)]
