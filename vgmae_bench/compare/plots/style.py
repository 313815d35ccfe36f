"""How figures look: readable in print, in grey and by the colour-blind; every one with its data as CSV beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vgmae_bench.files import storage_errors, write_atomically

# Okabe and Ito, Color Universal Design (2008), without the yellow that vanishes on white paper.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"
)  # fmt: skip
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
GREY = "#666666"
INK = "#222222"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))

RC = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,  # fonts as TrueType: publishers refuse Type 3
    "svg.fonttype": "none",
}
WIDTH = 6.9
"""Inches: the text width of a two-column page."""


@dataclass(frozen=True)
class Plot:
    """A figure and the numbers in it."""

    figure: Figure
    table: pd.DataFrame

    def save(self, out: Path, name: str) -> list[Path]:
        """Write name.png, name.pdf and name.csv into the folder `out`; the same runs give the same bytes.

        Raises:
            StorageError: the folder cannot be written to.
        """
        with storage_errors(out):
            out.mkdir(parents=True, exist_ok=True)
        draw = self.figure.savefig
        written = {
            "png": partial(draw, format="png", dpi=200, metadata={"Software": None}),
            "pdf": partial(draw, format="pdf", metadata={"CreationDate": None}),
            "csv": partial(self.table.to_csv, index=False, lineterminator="\n"),
        }
        for ending, write in written.items():
            write_atomically(out / f"{name}.{ending}", write)
        return [out / f"{name}.{ending}" for ending in written]


@dataclass(frozen=True)
class Pen:
    """A method's colour, marker and line style: any one of them tells it from its neighbours."""

    color: str
    marker: str
    linestyle: Any


def pens(names: Iterable[str]) -> dict[str, Pen]:
    """A pen for each name; the same names get the same pens in every figure."""
    return {
        name: Pen(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], LINES[i % len(LINES)])
        for i, name in enumerate(sorted(set(names)))
    }


def panels(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, Any]:
    """A figure of the text width and its axes [rows, columns]; `height` in inches, of a row."""
    figure = Figure(figsize=(WIDTH, rows * height + 0.5), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


NAMES_AT = 1.09
"""Where the names of curves begin, as a fraction of the axes' width."""


def write_below(figure: Figure, *lines: str) -> None:
    """The caption: lines of small print under the figure."""
    text = "\n".join(textwrap.fill(line, 140) for line in lines)
    figure.supxlabel(text, fontsize=6.5, color=INK, x=0.01, ha="left")


def label_right(figure: Figure, ends: Mapping[Axes, Mapping[str, float]], pen: Mapping[str, Pen]) -> None:
    """Name curves at the right edge of their axes, each at its height or as near as the other names allow.

    Arguments:
        ends: of each axes the heights of its curves in data coordinates, by name. Call it when the limits are final.
    """
    figure.draw_without_rendering()  # the layout decides how many points high the axes are
    for axes, heights in ends.items():
        known = {name: height for name, height in heights.items() if np.isfinite(height)}
        to_axes = axes.transData + axes.transAxes.inverted()
        own = [float(to_axes.transform((1, height))[1]) for height in known.values()]
        gap = 8.5 * figure.dpi / 72 / axes.get_window_extent().height
        for name, start, place in zip(known, own, spread(own, gap), strict=True):
            look: Any = {"color": pen[name].color, "transform": axes.transAxes, "clip_on": False}
            axes.plot([1.0, NAMES_AT], [start, place], lw=0.7, **look)
            axes.plot(NAMES_AT, place, marker=pen[name].marker, **look)
            where: Any = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
            axes.annotate(name, (NAMES_AT, place), (5, 0), va="center", fontsize=7, color=INK, **where)


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """The heights nearest to the wanted ones (least squares) that keep their order and a distance of `gap`, within 0 … 1."""
    order = np.argsort(wanted, kind="stable")
    shifted = np.asarray(wanted, dtype=float)[order] - gap * np.arange(len(order))
    blocks: list[list[float]] = []  # isotonic regression by pooling neighbours that are out of order
    for value in shifted:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    level = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks]) if blocks else np.array([])
    level = np.clip(level, 0, max(0.0, 1 - gap * (len(order) - 1)))
    places = np.empty(len(order))
    places[order] = level + gap * np.arange(len(order))
    return [float(place) for place in places]
