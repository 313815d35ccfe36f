"""How tracking wears off, and whether points are found again after they were hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vgmae_bench.compare.plots.groups import Group, groups, keys
from vgmae_bench.compare.plots.style import Plot, label_right, panels, pens, write_below
from vgmae_bench.compare.row import Row
from vgmae_bench.errors import UnknownNameError
from vgmae_bench.metrics import over_time
from vgmae_bench.metrics.stats import clip_bootstrap

TIMES = {"query": "frames since the query", "hidden": "frames since the point was hidden"}
MEASURES = {"position": r"$\delta_\mathrm{avg}$, %", "visibility": "visible points\ncalled visible, %"}


FEWEST = 5
"""Times with values on fewer clips are in the table but not drawn, unless there are no more clips at all."""


def draw(rows: Sequence[Row]) -> Plot:
    """Two rows of panels for every protocol, a line for every run, with 95 % bootstrap intervals over clips.

    Raises:
        UnknownNameError: a run was scored before counts over time were kept.
        BadDataError: they are damaged.
    """
    found = groups(rows)
    pen = pens(name for group in found for name in group.runs)
    table = pd.concat([_curves(row, name) for group in found for name, row in group.runs.items()], ignore_index=True)
    figure, axes = panels(2 * len(found), 2, 2.0)
    ends: dict[Any, dict[str, float]] = {}
    places = [(group, measure) for group in found for measure in MEASURES]
    for line, (group, measure) in zip(axes, places, strict=True):
        for one, since in zip(line, TIMES, strict=True):
            ends[one] = {}
            for name, curve in _lines(table, group, measure, since):
                x = np.sqrt(curve["first_frame"] * curve["last_frame"])
                one.plot(x, curve["percent"], **vars(pen[name]))
                one.fill_between(x, curve["low"], curve["high"], color=pen[name].color, alpha=0.15, lw=0)
                ends[one][name] = curve["percent"].iloc[-1]
            one.set(xscale="log", ylim=(0, 103), xlabel=TIMES[since], ylabel=MEASURES[measure], title=group.title)
            longest = table.loc[table["since"] == since, "last_frame"].max()
            ticks = [2**power for power in range(14) if 2**power <= longest]
            one.set_xticks(ticks, [str(tick) for tick in ticks])
            one.minorticks_off()
    label_right(figure, ends, pen)
    write_below(
        figure,
        "Means over clips of fractions pooled within a clip, on frames in which the point is visible; shaded: 95 % bootstrap "
        "intervals over clips. Points hidden after their query: frame 1 is the first in which they are seen again. "
        f"Times that fewer than {FEWEST} clips have are left out.",
        *(group.protocol for group in found),
    )
    return Plot(figure, table)


def _curves(row: Row, name: str) -> pd.DataFrame:
    """A run's curves: a row a measure and bin of time, in percent, with the number of clips that have a value."""
    try:
        fractions = over_time.accuracy(over_time.read(row.run.over_time))
    except FileNotFoundError as error:
        raise UnknownNameError(
            f"{row.run.path} has no {row.run.over_time.name}",
            "it was scored before accuracy over time was kept",
            try_=f"the run again with --redo metrics, where its predictions are: {_command(row)}",
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


def _lines(table: pd.DataFrame, group: Group, measure: str, since: str) -> list[tuple[str, Any]]:
    """The curves of a panel by name; runs in which no point was ever hidden have none in that panel."""
    mine = table["run"].isin([row.record["key"][:8] for row in group.runs.values()])
    panel = table[mine & (table["measure"] == measure) & (table["since"] == since)]
    panel = panel[panel["clips"] >= min(FEWEST, panel["clips"].max())]
    curves = [(name, panel[panel["run"] == row.record["key"][:8]]) for name, row in group.runs.items()]
    return [(name, curve) for name, curve in curves if len(curve)]


def _command(row: Row) -> str:
    command: str = row.record["sessions"][-1]["command"]
    return command
