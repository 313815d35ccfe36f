"""Two methods compared clip by clip: a scatter plot, and the sorted differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vgmae_bench.compare.paired import Paired, compare
from vgmae_bench.compare.plots.groups import Group, groups
from vgmae_bench.compare.plots.style import BLUE, GREY, INK, VERMILION, Plot, panels, write_caption
from vgmae_bench.compare.row import Row, clip_values
from vgmae_bench.errors import UsageError

METRIC = "average_jaccard"
SIDES = ((BLUE, "o", None), (VERMILION, "s", "////"))
"""Colour, marker and hatch: of clips on which the first method is at least as good, and of the other clips."""


def plot_clips(rows: Sequence[Row]) -> Plot:
    """Plot one row of two panels per protocol with at least two runs. It compares the two best runs by average Jaccard.

    Raises:
        UsageError: no two runs follow the same protocol on the same data.
    """
    found = [Group(dict(list(group.runs.items())[:2])) for group in groups(rows) if len(group.runs) > 1]
    if not found:
        raise UsageError(
            "There are no two runs to compare",
            "no two of them share data and protocol",
            try_="vgmae-bench plot clips RUN RUN",
        )
    figure, axes = panels(len(found), 2, 2.7)
    tables, notes = [], []
    for line, group in zip(axes, found, strict=True):
        (name, row), (other_name, other) = group.runs.items()
        pair = compare(row, other, [METRIC])[0]
        table = _table(group, pair)
        tables.append(table)
        _scatter(line[0], table, name, other_name)
        for one in line:
            one.set_title(group.title)
        _differences(line[1], table, pair)
        notes.append(pair.sentence(name, other_name))
    write_caption(
        figure,
        "AJ of each clip. The first method is on the vertical axis of the scatter plot. Circles and plain bars: clips on "
        "which it is at least as good. Dashed line and shaded band: mean difference, its 95 % bootstrap interval over clips.",
        *notes,
        *(group.sentence for group in found),
    )
    return Plot(figure, pd.concat(tables, ignore_index=True))


def _table(group: Group, pair: Paired) -> pd.DataFrame:
    """One row per clip in percent, sorted by difference, the first method's best clip first."""
    (name, row), (other_name, other) = group.runs.items()
    first, second, clips = clip_values(row, METRIC), clip_values(other, METRIC), list(pair.by_clip)
    return pd.DataFrame(
        {
            "dataset": row.dataset,
            "protocol": row.protocol,
            "clip": clips,
            "first_method": name,
            "second_method": other_name,
            "first_run": row.record.key[:8],
            "second_run": other.record.key[:8],
            "first": [100 * first[clip] for clip in clips],
            "second": [100 * second[clip] for clip in clips],
            "difference": [100 * difference for difference in pair.by_clip.values()],
        }
    )


def _scatter(axes: Any, table: pd.DataFrame, name: str, other: str) -> None:
    """Plot the first method's values over the second's. Above the diagonal the first is better."""
    for (colour, marker, _), part in zip(SIDES, _sides(table), strict=True):
        axes.plot(part["second"], part["first"], marker, color=colour, ms=4, alpha=0.7, mew=0)
    values = table[["first", "second"]].to_numpy()
    room = 0.08 * max(10.0, values.max() - values.min())
    ends = (max(0.0, values.min() - room), values.max() + room)
    axes.plot(ends, ends, color=GREY, lw=0.8, ls="--")
    axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"AJ of {other}, %", ylabel=f"AJ of {name}, %")


def _differences(axes: Any, table: pd.DataFrame, pair: Paired) -> None:
    """Plot the sorted differences with their mean and its interval. Name the best and the worst clip."""
    axes.axhspan(100 * pair.low, 100 * pair.high, color=GREY, alpha=0.25, lw=0)
    axes.axhline(100 * pair.difference, color="black", lw=1, ls="--")
    for (colour, _, hatch), side in zip(SIDES, _sides(table), strict=True):
        axes.bar(side.index + 1, side["difference"], color=colour, width=0.85, hatch=hatch, ec="white", lw=0)
    axes.axhline(0, color="black", lw=0.8)
    axes.set(xlabel="clips, sorted", ylabel="first minus second, AJ points", xlim=(0, len(table) + 1))
    axes.use_sticky_edges = False  # leaves room above and below for the names
    axes.margins(y=0.12)
    first, last = table.iloc[0], table.iloc[-1]
    around: dict[str, Any] = {"textcoords": "offset points", "fontsize": 6.5, "color": INK}
    axes.annotate(first["clip"], (0.6, max(0, first["difference"])), (0, 2), va="bottom", **around)
    axes.annotate(last["clip"], (len(table) + 0.4, min(0, last["difference"])), (0, -3), va="top", ha="right", **around)


def _sides(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clips on which the first method is at least as good, and the others."""
    better = table["difference"] >= 0
    return table[better], table[~better]
