"""Training curves: the loss, and zero-shot position accuracy on held-out clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vgmae_bench.compare.plots.style import (
    GREY,
    CurveLabel,
    LineLook,
    Plot,
    distinct_looks,
    label_curves,
    panels,
    write_caption,
)
from vgmae_bench.errors import BadDataError, UnknownNameError
from vgmae_bench.training.log import read_log

ACCURACY, FLOOR = "delta_avg", "delta_avg_zero_motion"


def plot_curves(folders: Sequence[Path]) -> Plot:
    """Plot the loss of each training over its steps. A second panel has zero-shot position accuracy, where a log holds it.

    Arguments:
        folders: of trainings; each holds a log.csv.

    Raises:
        UnknownNameError: a folder holds no log.csv, or an empty one.
        BadDataError: a log is damaged.
    """
    logs = {name: _log(folder) for name, folder in _names(folders).items()}
    measured = {name: log.dropna(subset=[ACCURACY]) for name, log in logs.items() if ACCURACY in log}
    measured = {name: log for name, log in measured.items() if len(log)}
    look = distinct_looks(logs)
    figure, axes = panels(1, 2 if measured else 1, 2.6)
    labels = {axes[0, 0]: _losses(axes[0, 0], logs, look)}
    if measured:
        labels[axes[0, 1]] = _accuracies(axes[0, 1], measured, look)
    write_caption(
        figure,
        "Thin: the loss as logged; thick: its running median. Losses of different methods do not compare. "
        r"$\delta_\mathrm{avg}$: zero-shot position accuracy on held-out synthetic clips during training; "
        "dotted: points that never move.",
    )
    label_curves(figure, labels)
    return Plot(figure, pd.concat([log.assign(training=name) for name, log in logs.items()], ignore_index=True))


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


def _accuracies(axes: Any, logs: dict[str, pd.DataFrame], look: dict[str, LineLook]) -> list[CurveLabel]:
    """Plot position accuracies, with those of points that never move. Returns labels of the former."""
    labels = []
    for name, log in logs.items():
        axes.plot(log["step"], 100 * log[ACCURACY], **vars(look[name]))
        if FLOOR in log:
            axes.plot(log["step"], 100 * log[FLOOR], color=GREY, lw=1, ls=":")
        labels.append(CurveLabel(name, 100 * log[ACCURACY].iloc[-1], look[name]))
    axes.set(xlabel="step", ylabel=r"zero-shot $\delta_\mathrm{avg}$, %", xlim=(0, None), ylim=(0, None))
    return labels


def _names(folders: Sequence[Path]) -> dict[str, Path]:
    """Trainings by name: the shortest end of the path that is unique."""
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
