"""Training curves: the loss, and zero-shot position accuracy on held-out clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from vgmae_bench.compare.plots import style
from vgmae_bench.compare.plots.style import GREY, CurveLabel, LineLook, Plot
from vgmae_bench.errors import BadDataError, UnknownNameError
from vgmae_bench.training.log import read_log


class Measure(NamedTuple):
    """A measure that validation logs.

    Attributes:
        column: the column of log.csv.
        label: the label of the axis.
        scale: the factor from the log to the axis.
        floor: the value of points that never move: another column of log.csv, or a number.
    """

    column: str
    label: str
    scale: float
    floor: str | float


MEASURES = (
    Measure("delta_avg", r"zero-shot $\delta_\mathrm{avg}$, %", 100, "delta_avg_zero_motion"),
    Measure("end_point_error", "relative end-point error", 1, 1.0),
    Measure("correlation", "correlation of motion", 1, 0.0),
)


def plot_curves(folders: Sequence[Path]) -> Plot:
    """Plot the loss of each training over its steps. Further panels show the validation measures that a log holds.

    Arguments:
        folders: folders of trainings; each holds a log.csv.

    Raises:
        UnknownNameError: a folder has no log.csv, or an empty one.
        BadDataError: a log is damaged.
    """
    logs = {name: _log(folder) for name, folder in _names(folders).items()}
    look = style.distinct_looks(logs)
    measured = {measure: found for measure in MEASURES if (found := _with_values(logs, measure.column))}
    figure, axes = style.panels(1 + len(measured) // 2, 2 if measured else 1, 2.6)
    labels = {axes.flat[0]: _losses(axes.flat[0], logs, look)}
    for place, (measure, found) in zip(axes.flat[1:], measured.items(), strict=False):
        labels[place] = _measured(place, measure, found, look)
    for empty in axes.flat[1 + len(measured) :]:
        empty.set_axis_off()
    return style.finish(
        figure,
        pd.concat([log.assign(training=name) for name, log in logs.items()], ignore_index=True),
        labels,
        "Thin: the loss as logged; thick: its running median. Losses of different methods are not comparable. "
        r"$\delta_\mathrm{avg}$: zero-shot position accuracy on held-out synthetic clips during training. Error and "
        "correlation: motion from a query frame to the next frame. Dotted: points that never move.",
    )


def _losses(axes: Any, logs: dict[str, pd.DataFrame], look: dict[str, LineLook]) -> list[CurveLabel]:
    """Plot the losses. Returns their labels."""
    labels = []
    for name, log in logs.items():
        smooth = log["loss"].rolling(max(1, len(log) // 20), min_periods=1, center=True).median()
        axes.plot(log["step"], log["loss"], color=look[name].color, lw=0.5, alpha=0.35)
        axes.plot(log["step"], smooth, markevery=max(1, len(log) // 8), **vars(look[name]))
        labels.append(CurveLabel(name, smooth.iloc[-1], look[name]))
    positive = all((log["loss"] > 0).all() for log in logs.values())
    axes.set(xlabel="step", ylabel="training loss", yscale="log" if positive else "linear", xlim=(0, None))
    return labels


def _measured(
    axes: Any, measure: Measure, logs: dict[str, pd.DataFrame], look: dict[str, LineLook]
) -> list[CurveLabel]:
    """Plot the validation measures, and the same measures of points that never move. Returns the labels of the former."""
    labels = []
    for name, log in logs.items():
        values = measure.scale * log[measure.column]
        axes.plot(log["step"], values, **vars(look[name]))
        labels.append(CurveLabel(name, values.iloc[-1], look[name]))
        if isinstance(measure.floor, str) and measure.floor in log:
            axes.plot(log["step"], measure.scale * log[measure.floor], color=GREY, lw=1, ls=":")
    if not isinstance(measure.floor, str):
        axes.axhline(measure.floor, color=GREY, lw=1, ls=":")
    lowest = min(0, *(label.height for label in labels))
    axes.set(xlabel="step", ylabel=measure.label, xlim=(0, None), ylim=(lowest if lowest == 0 else None, None))
    return labels


def _with_values(logs: dict[str, pd.DataFrame], column: str) -> dict[str, pd.DataFrame]:
    """The lines of each log that have a value of a column."""
    found = {name: log.dropna(subset=[column]) for name, log in logs.items() if column in log}
    return {name: log for name, log in found.items() if len(log)}


def _names(folders: Sequence[Path]) -> dict[str, Path]:
    """Trainings by name: the shortest unique end of the path."""
    paths = [folder.resolve() for folder in dict.fromkeys(folders)]
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        named = {"/".join(path.parts[-length:]): path for path in paths}
        if len(named) == len(paths):
            break
    return named


def _log(folder: Path) -> pd.DataFrame:
    path = folder / "log.csv"
    try:
        rows = read_log(path)
    except ValueError as error:
        raise BadDataError(f"{path} is damaged", str(error)) from error
    if not rows or "loss" not in rows[0]:
        raise UnknownNameError(
            f"{folder} is not a training", "it has no log.csv with a loss", try_="vgmae-bench train --help"
        )
    return pd.DataFrame(rows).astype(float)
