"""The look of all figures: sizes, fonts, the palette, panels, captions and labels at the ends of curves."""

from __future__ import annotations

import csv
import hashlib
import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vgmae_bench.files import make_folder, write_atomically

# Okabe and Ito, Color Universal Design (2008), without the yellow, which is too light on white paper.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"
)  # fmt: skip
GREY = "#666666"
LIGHT_GREY = "#BBBBBB"
INK = "#222222"
OTHER_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
OTHER_MARKERS = ("<", ">", "*", "d", "8")
"""Markers of methods that palette.csv does not list. None of them is in palette.csv."""
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
FILLS = ("full", "none", "left", "bottom", "right")
"""Line styles and marker fills of several runs of one method."""

WIDTH = 6.9
"""Inches: the text width of a two-column page."""
ONE_COLUMN = 4.5
"""Inches: narrower figures put their panels below each other."""

RC = {
    "figure.figsize": (WIDTH, 4.0),
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
    "pdf.fonttype": 42,  # TrueType fonts: publishers refuse Type 3
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Plot:
    """A figure and the numbers in it."""

    figure: Figure
    table: pd.DataFrame

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        image = io.BytesIO()
        self.figure.savefig(image, format="png", dpi=100)
        return image.getvalue()

    def save(self, out: Path, name: str) -> list[Path]:
        """Write name.png, name.pdf and name.csv into the folder `out`. The same runs give the same bytes.

        Raises:
            StorageError: the folder cannot be written to.
        """
        make_folder(out)
        save_figure = self.figure.savefig
        files = {
            out / f"{name}.png": partial(save_figure, format="png", dpi=200, metadata={"Software": None}),
            out / f"{name}.pdf": partial(save_figure, format="pdf", metadata={"CreationDate": None}),
            out / f"{name}.csv": partial(self.table.to_csv, index=False, lineterminator="\n"),
        }
        for file, write in files.items():
            write_atomically(file, write)
        return list(files)


@dataclass(frozen=True)
class LineLook:
    """The look of a run. The fields have matplotlib's names, so that `plot(x, y, **vars(look))` works."""

    color: str
    marker: str
    linestyle: Any = "-"
    fillstyle: Any = "full"
    zorder: float = 3.0


@cache
def palette() -> dict[str, tuple[str, str]]:
    """Colour and marker of the methods that palette.csv lists, by the method's name."""
    text = resources.files("vgmae_bench.compare.plots").joinpath("palette.csv").read_text(encoding="utf-8")
    return {row["method"]: (row["colour"], row["marker"]) for row in csv.DictReader(text.splitlines())}


def look_of(method: str, variant: int = 0) -> LineLook:
    """The look of a method. It depends on the name alone, so it is the same in every figure.

    Arguments:
        method: the method's name. palette.csv fixes the looks of this repository's methods. For other methods, a hash
            of the name picks the look.
        variant: 0, 1, …, for several runs of the method in one figure. They differ in line style and marker fill.
    """
    number = int.from_bytes(hashlib.sha256(method.encode()).digest()[:4], "big")
    colours, markers = len(OTHER_COLOURS), len(OTHER_MARKERS)
    other = (OTHER_COLOURS[number % colours], OTHER_MARKERS[number // colours % markers])
    colour, marker = palette().get(method, other)
    return LineLook(colour, marker, LINES[variant % len(LINES)], FILLS[variant % len(FILLS)])


def distinct_looks(names: Iterable[str]) -> dict[str, LineLook]:
    """Looks by name for curves that are not methods. A few curves all differ. The looks depend on all the names."""
    looks = zip(cycle(OTHER_COLOURS), cycle(OTHER_MARKERS), cycle(LINES), strict=True)
    return {name: LineLook(*look) for name, look in zip(sorted(set(names)), looks, strict=False)}


BACKGROUND = LineLook(LIGHT_GREY, "", "-", "full", 2.0)
"""The look of runs that a figure shows without a label."""


def panels(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, Any]:
    """A figure with the width of `figure.figsize`, and its axes [rows, columns].

    Arguments:
        height: height of one row of panels, in inches. A figure for one column of text puts its panels below each
            other.
        options: options of `Figure.subplots`.
    """
    width = float(matplotlib.rcParams["figure.figsize"][0])
    shape = (rows, columns) if width >= ONE_COLUMN else (rows * columns, 1)
    figure = Figure(figsize=(width, shape[0] * height + 0.5), layout="constrained")
    return figure, figure.subplots(*shape, squeeze=False, **options).reshape(rows, columns)


LABELS_AT = 1.05
"""Where the labels of curves begin, as a fraction of the axes' width."""
LABEL_SIZE = 6.5


def write_caption(figure: Figure, *lines: str) -> None:
    """Write lines of small print below the figure."""
    size = 6.5 if figure.get_figwidth() >= ONE_COLUMN else 6.0
    characters = int(130 / size * figure.get_figwidth())
    text = "\n".join(textwrap.fill(tied(line), characters, break_on_hyphens=False) for line in lines)
    figure.supxlabel(text, fontsize=size, color=INK, x=0.01, ha="left")


def tied(text: str) -> str:
    """The text with no-break spaces in quotients, for instance "75.1 / 55.8"."""
    return text.replace(" / ", "\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}")


@dataclass(frozen=True)
class CurveLabel:
    """A label of a curve: its text, where the curve ends on the y axis (data coordinates), and the curve's look."""

    text: str
    height: float
    look: LineLook


def finish(figure: Figure, table: pd.DataFrame, labels: Mapping[Axes, Sequence[CurveLabel]], *lines: str) -> Plot:
    """Write the caption, and label curves at the right edge of their axes, each as near to its end as the others allow.

    Call it last. It computes the figure's layout, which must not change afterwards.
    """
    write_caption(figure, *lines)
    where: Any = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    small: Any = {"va": "center", "fontsize": LABEL_SIZE, "color": INK, "linespacing": 1.0}
    known = {axes: [label for label in own if np.isfinite(label.height)] for axes, own in labels.items()}
    texts = {
        axes: [axes.annotate(label.text, (LABELS_AT, 0.5), (4.5, 0), **small, **where) for label in own]
        for axes, own in known.items()
    }
    if engine := figure.get_layout_engine():
        engine.execute(figure)  # makes room for the labels, and gives the axes their sizes
        figure.set_layout_engine(None)
    for axes, own in known.items():
        to_axes = axes.transData + axes.transAxes.inverted()
        starts = [float(to_axes.transform((1, label.height))[1]) for label in own]
        unit = LABEL_SIZE * figure.dpi / 72 / axes.get_window_extent().height
        heights = [(1.1 * (label.text.count("\n") + 1) + 0.2) * unit for label in own]
        for label, text, start, place in zip(own, texts[axes], starts, spread(starts, heights), strict=True):
            text.xy = (LABELS_AT, place)
            look: Any = {"color": label.look.color, "transform": axes.transAxes, "clip_on": False}
            axes.plot([1.0, LABELS_AT], [start, place], lw=0.7, **look)
            axes.plot(LABELS_AT, place, marker=label.look.marker, fillstyle=label.look.fillstyle, **look)
    return Plot(figure, table)


def spread(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Label centres within 0 … 1 that keep the order of the wanted centres and do not overlap.

    Among all such centres, these are the nearest by least squares, computed by isotonic regression.

    Arguments:
        wanted: the centres that labels would have without other labels.
        heights: the heights of the labels.
    """
    from scipy.optimize import isotonic_regression

    if not wanted:
        return []
    order = np.argsort(wanted, kind="stable")
    sizes = np.asarray(heights, dtype=float)[order]
    offsets = np.cumsum([0.0, *(sizes[:-1] + sizes[1:]) / 2])
    shifted = np.asarray(wanted, dtype=float)[order] - offsets
    places = np.empty(len(order))
    places[order] = isotonic_regression(shifted).x.clip(0, max(0.0, 1 - offsets[-1])) + offsets
    return list(places.tolist())
