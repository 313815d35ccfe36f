"""Plots of runs as pictures inside a page."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib

from vgmae_bench.compare.plots import NAMES, make_plot
from vgmae_bench.compare.plots.style import RC, Plot
from vgmae_bench.compare.row import Row
from vgmae_bench.errors import UserError

_log = logging.getLogger(__name__)

SHOWN = ("thresholds", "clips", "occlusion", "cost")
"""The plots of each section. "curves" shows trainings, so it is in no report."""
CLAIMS = ("bars",)
"""The plots at the end: claims on all datasets side by side."""


@dataclass(frozen=True)
class Picture:
    """A plot as data URIs: an SVG with its text as outlines, and its numbers as CSV."""

    name: str
    caption: str
    image: str
    data: str


def pictures(rows: Sequence[Row], names: Sequence[str] = ()) -> list[Picture]:
    """Plots of runs. A plot is left out where the runs lack the data for it, and `say` is told why.

    Arguments:
        names: of plots; by default those of a section.
    """
    made = []
    # A fixed salt: the same runs give the same bytes.
    settings: Any = {**RC, "svg.fonttype": "path", "svg.hashsalt": "vgmae-bench"}
    with matplotlib.rc_context(settings):
        for name in names or SHOWN:
            try:
                plot: Plot = make_plot(name, rows)
            except UserError as error:
                if len(rows) > 1 or name != "clips":  # a single run has no partner
                    _log.info(f"no plot of {name}: {error.what}: {error.why}")
                continue
            made.append(_picture(name, plot))
    return made


def _picture(name: str, plot: Plot) -> Picture:
    svg = io.BytesIO()
    plot.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    table = plot.table.to_csv(index=False, lineterminator="\n")
    caption = NAMES[name][0].upper() + NAMES[name][1:] + "."
    return Picture(name, caption, _uri("image/svg+xml", svg.getvalue()), _uri("text/csv", table.encode()))


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
